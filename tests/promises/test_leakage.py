"""Nothing after a cutoff reaches a forecast made at it: the future is poisoned, and no bit may change."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor

from tsseq import Forecaster, LastValue, Seq2SeqForecaster, Training

HORIZON, LENGTH = 3, 8
DAYS = pd.date_range("2024-01-01", periods=80, name="day")
FITTED, CUTOFF, LATER = DAYS[49], DAYS[55], DAYS[62]
COVARIATES = {"past": ["volume", "spread"], "known": ["promo", "price"], "static": ["size"]}

REGRESSORS = {
    "ridge": Ridge(),
    "trees": MultiOutputRegressor(HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=5)),
    "last value": LastValue(),
}
VARIANTS = [
    pytest.param(
        roles | {"multivariate": multivariate, "log": log}, id=f"{name}, {multivariate}{', log' if log else ''}"
    )
    for name, roles in {"alone": {}, "with covariates": COVARIATES}.items()
    for multivariate in ("independent", "joint")
    for log in (False, True)
]
variants = pytest.mark.parametrize("variant", VARIANTS)


def frame_of(seed=0):
    rng = np.random.default_rng(seed)
    return pd.concat(
        {
            name: pd.DataFrame(
                {
                    "sales": np.exp(rng.normal(size=80).cumsum() / 10 + level),
                    "stock": np.exp(rng.normal(size=80).cumsum() / 10 - level),
                    "volume": rng.normal(size=80) + 5,
                    "spread": rng.normal(size=80),
                    "promo": (rng.random(80) < 0.3).astype(float),
                    "price": rng.normal(size=80) + 20,
                    "size": level,
                },
                DAYS,
            )
            for name, level in {"b": 3.0, "a": 1.0, "c": 5.0}.items()
        },
        names=["id", "day"],
    )


def rows_after(frame, day):
    return frame.index.get_level_values("day") > day


def poisons(n, positive=False):
    noise = 100 * np.random.default_rng(9).normal(size=n)
    return {
        "missing": np.full(n, np.nan),
        "huge": np.full(n, 1e30),
        "noise": np.abs(noise) + 1e-3 if positive else noise,
    }


def poisoned(frame, cutoff, kind, positive=False, known=True):
    """Targets and past covariates are replaced after ``cutoff``, known ones after the horizon."""
    frame = frame.copy()
    starts = dict.fromkeys(["sales", "stock", "volume", "spread"], cutoff)
    starts |= dict.fromkeys(["promo", "price"] if known else [], cutoff + HORIZON * DAYS.freq)
    for name, start in starts.items():
        rows = rows_after(frame, start)
        frame.loc[rows, name] = poisons(rows.sum(), positive)[kind]
    return frame


def fitted(variant, regressor="ridge"):
    model = Forecaster(REGRESSORS[regressor], HORIZON, LENGTH, target=["sales", "stock"], **variant)
    return model.fit(frame_of()[~rows_after(frame_of(), FITTED)])


@pytest.mark.parametrize("regressor", REGRESSORS)
@variants
def test_forecasts_at_a_cutoff_do_not_depend_on_anything_after_it(variant, regressor):
    model, frame = fitted(variant, regressor), frame_of()
    want = model.predict_at(frame, CUTOFF)
    assert want["forecast"].notna().all()
    for kind in ("missing", "huge", "noise"):
        assert_frame_equal(model.predict_at(poisoned(frame, CUTOFF, kind), CUTOFF), want, check_exact=True)


@pytest.mark.parametrize(("regressor", "kind"), [("ridge", "noise"), ("trees", "huge"), ("trees", "missing")])
@variants
def test_forecasts_at_the_first_of_two_cutoffs_do_not_depend_on_what_lies_between(variant, regressor, kind):
    model, frame, cutoffs = fitted(variant, regressor), frame_of(), [CUTOFF, LATER]
    want = model.predict_at(frame, cutoffs)
    found = model.predict_at(poisoned(frame, CUTOFF, kind, positive=True, known=kind != "missing"), cutoffs)
    first = want["cutoff"] == CUTOFF
    assert first.sum() == len(want) / 2
    assert_frame_equal(found[first], want[first], check_exact=True)
    assert not np.allclose(found.loc[~first, "forecast"], want.loc[~first, "forecast"])


def test_a_price_of_zero_after_a_cutoff_changes_nothing_at_it_under_log():
    model, frame = fitted({"log": True}), frame_of()
    zero = frame.copy()
    zero.loc[("a", CUTOFF + pd.Timedelta(days=1)), "sales"] = 0.0
    want = model.predict_at(frame, [CUTOFF, LATER])
    first = want["cutoff"] == CUTOFF
    found = model.predict_at(zero, [CUTOFF, DAYS[70]])
    np.testing.assert_array_equal(found.loc[found["cutoff"] == CUTOFF, "forecast"], want.loc[first, "forecast"])


@pytest.mark.parametrize("regressor", REGRESSORS)
@variants
def test_predicting_a_frame_cut_at_a_cutoff_gives_the_forecast_at_that_cutoff(variant, regressor):
    model, frame = fitted(variant, regressor), frame_of()
    after = frame[rows_after(frame, CUTOFF)]
    future = after[["promo", "price"]] if "known" in variant else None
    cut = model.predict(frame[~rows_after(frame, CUTOFF)], future=future)
    at = model.predict_at(frame, CUTOFF)
    wide = at.pivot(index=["id", "day"], columns="target", values="forecast").loc[["b", "a", "c"]]
    np.testing.assert_allclose(cut[["sales", "stock"]], wide[["sales", "stock"]], rtol=1e-12)
    assert cut.index.tolist() == wide.index.tolist()


@variants
def test_a_forecast_changes_with_what_came_before_it(variant):
    """Else the tests above would show nothing."""
    model, frame = fitted(variant), frame_of()
    want = model.predict_at(frame, CUTOFF)["forecast"].to_numpy()
    names = ["sales", "stock", *variant.get("past", []), *variant.get("known", [])]
    for name in names:
        changed = frame.copy()
        changed.loc[(slice(None), CUTOFF), name] *= 1.5
        changed.loc[(slice(None), CUTOFF), name] += 1.0
        assert not np.array_equal(model.predict_at(changed, CUTOFF)["forecast"], want), name
    for name in variant.get("known", []):
        changed = frame.copy()
        changed.loc[(slice(None), CUTOFF + HORIZON * DAYS.freq), name] += 1.0
        assert not np.array_equal(model.predict_at(changed, CUTOFF)["forecast"], want), name


@pytest.mark.parametrize("name", ["promo", "price"])
def test_known_covariates_within_the_horizon_must_be_known(name):
    model, frame = fitted(COVARIATES), frame_of()
    frame.loc[("a", CUTOFF + pd.Timedelta(days=2)), name] = np.nan
    with pytest.raises(ValueError, match=rf"1 values are missing \(first: '{name}' at 'a' 2024-02-27"):
        model.predict_at(frame, CUTOFF)


def test_rows_after_the_cutoff_need_not_be_there_without_known_covariates():
    model, frame = fitted({"past": ["volume"]}), frame_of()
    cut = frame[~rows_after(frame, CUTOFF)]
    assert_frame_equal(model.predict_at(cut, CUTOFF), model.predict_at(frame, CUTOFF), check_exact=True)


def test_what_fit_learns_does_not_depend_on_rows_it_was_not_given():
    frame = frame_of()
    early = frame[~rows_after(frame, FITTED)]
    for variant in ({}, COVARIATES):
        one, other = (
            Forecaster(Ridge(), HORIZON, LENGTH, target="sales", **variant).fit(part)
            for part in (early, poisoned(frame, FITTED, "huge")[~rows_after(frame, FITTED)])
        )
        np.testing.assert_array_equal(one.regressor_.coef_, other.regressor_.coef_)


def test_a_series_takes_part_at_the_cutoffs_that_it_has():
    frame = frame_of()
    ragged = frame.drop(frame.loc[["a"]][:40].index).drop(frame.loc[["c"]][60:].index)
    model = fitted({"log": True})
    found = model.predict_at(ragged, DAYS[[20, 45, 50, 70]])
    assert found.groupby("cutoff")["id"].unique().map(list).to_dict() == {
        DAYS[20]: ["b", "c"],
        DAYS[45]: ["b", "c"],
        DAYS[50]: ["b", "a", "c"],
        DAYS[70]: ["b", "a"],
    }
    want = model.predict_at(frame, DAYS[[20, 45, 50, 70]])
    both = found.merge(want, on=["id", "cutoff", "day", "step", "target"], suffixes=["", "_want"])
    assert len(both) == len(found)
    np.testing.assert_allclose(both["forecast"], both["forecast_want"], rtol=1e-12)


def moods():
    """Which series rises, as categories, with an empty one."""
    rises = frame_of()["sales"].groupby(level="id").diff()
    return pd.cut(rises, [-np.inf, -0.3, 0.3, np.inf], labels=["down", "flat", "up"]).astype(object).to_frame("mood")


TRAINING = Training(max_epochs=1, max_steps=5, verbose=False)
FORECASTERS_OF_CATEGORIES = {
    "trees": Forecaster(MultiOutputClassifier(HistGradientBoostingClassifier(max_iter=3)), HORIZON, LENGTH),
    "a network that reads itself": Seq2SeqForecaster(HORIZON, LENGTH, hidden_size=8, training=TRAINING),
    "last value": Forecaster(LastValue(), HORIZON, LENGTH),
}


@pytest.mark.filterwarnings("ignore:.*training windows lack some target")
@pytest.mark.parametrize("model", FORECASTERS_OF_CATEGORIES.values(), ids=FORECASTERS_OF_CATEGORIES)
def test_forecasts_of_categories_do_not_depend_on_anything_after_the_cutoff(model):
    frame = moods()
    model.fit(frame[~rows_after(frame, FITTED)])
    proba = hasattr(model, "sample")
    want = model.predict_at(frame, [CUTOFF, LATER], proba=proba)
    first = want["cutoff"] == CUTOFF
    assert want["forecast"].isin(["down", "flat", "up"]).all()

    def with_poison(rows, poison):
        return frame.assign(mood=frame["mood"].mask(rows, poison))

    for poison in (None, "crash", "up", 1e30):
        found = model.predict_at(with_poison(rows_after(frame, CUTOFF), poison), CUTOFF, proba=proba)
        assert_frame_equal(found, want[first].reset_index(drop=True), check_exact=True)
        between = with_poison(rows_after(frame, CUTOFF) & ~rows_after(frame, LATER - DAYS.freq), poison)
        found = model.predict_at(between, [CUTOFF, LATER], proba=proba)
        assert_frame_equal(found[first], want[first], check_exact=True)
    before = with_poison(~rows_after(frame, CUTOFF) & rows_after(frame, CUTOFF - DAYS.freq), "up")
    assert not model.predict_at(before, CUTOFF, proba=proba).equals(want[first].reset_index(drop=True))
