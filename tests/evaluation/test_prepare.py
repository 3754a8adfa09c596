"""Features are made of raw frames that end at the cutoff: a cheat is caught, and earns nothing; honest ones pass."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from tsseq import DataError, Forecaster, audit, backtest, load_sample, regularize, rolling_forecasts
from tsseq.data.schema import Schema
from tsseq.evaluation.perturb import cut

PRICES = load_sample("sp500")[-500:][["close", "volume"]]
DAYS = pd.date_range("2024-01-01", periods=90, name="day")
LOOKS_AHEAD = "prepare looks ahead"


def returns(close):
    return np.log(close).diff().fillna(0.0)


def scaled_by_all_years(frame):
    return frame.assign(close=10 + (frame["close"] - frame["close"].mean()) / frame["close"].std())


def with_tomorrow(frame):
    return frame.assign(feature=returns(frame["close"]).shift(-1).fillna(0.0))


def with_a_centred_average(frame):
    return frame.assign(feature=frame["close"].rolling(5, center=True, min_periods=1).mean())


def smoothed(frame):
    return frame.assign(close=frame["close"].rolling(5, center=True, min_periods=1).mean())


def with_the_mean_of_the_day(frame):
    days = [frame.index.month, frame.index.day]
    return frame.assign(feature=returns(frame["close"]).groupby(days).transform("mean").fillna(0.0))


def indicators(frame):
    rolling = frame["close"].rolling(20)
    z = (frame["close"] - rolling.mean()) / rolling.std()
    return frame.assign(change=np.log(frame["close"]).diff(), z=z).dropna()


def dated(frame):
    return indicators(frame).assign(weekday=lambda table: table.index.day_of_week)


CHEATS = {
    scaled_by_all_years: {},
    with_tomorrow: {"past": "feature"},
    with_a_centred_average: {"past": "feature"},
    smoothed: {},
    with_the_mean_of_the_day: {"known": "feature"},
}
HONEST = {indicators: {"past": ["change", "z", "volume"]}, dated: {"past": "z", "known": ["weekday", "calendar"]}}


def ridge(**roles):
    return Forecaster(Ridge(), 2, 20, target="close", log=True, calendar="XNYS", **roles)


@pytest.mark.parametrize(("prepare", "roles"), CHEATS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_cheat_in_the_features_is_caught_by_the_audit(prepare, roles):
    checks = audit(ridge(**roles), PRICES, 3, prepare=prepare).set_index("check")
    assert checks["passed"]["future at a cutoff"]  # the forecaster itself is honest
    caught = checks.loc["future in prepare"]
    assert (caught["kind"], caught["passed"]) == ("leak", False)
    assert caught["value"] == 12  # at 3 cutoffs, cut off and replaced in 3 ways
    assert caught["meaning"].startswith(LOOKS_AHEAD)
    assert caught["meaning"].endswith(f"({roles.get('past', roles.get('known', 'close'))})")


@pytest.mark.parametrize(("prepare", "roles"), CHEATS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_cheat_in_the_features_earns_nothing_in_a_backtest(prepare, roles):
    with pytest.warns(UserWarning, match=LOOKS_AHEAD):
        result = backtest({"ridge": ridge(**roles)}, PRICES, n_cutoffs=30, stride=10, prepare=prepare)
    assert result.scores["skill"]["ridge"] < 0.1
    assert result.compare(alternative="less")["p_value"]["ridge"] > 0.01
    assert any("close is made of rows that come later" in hint for hint in result.suspicions()) == (not roles)


@pytest.mark.parametrize("prepare", [with_tomorrow, with_a_centred_average])
def test_the_same_cheats_look_brilliant_without(prepare):
    """Else the test above would show nothing."""
    result = backtest({"ridge": ridge(past="feature")}, prepare(PRICES), n_cutoffs=120, stride=3)
    assert result.by("step").loc[(1, "ridge"), "skill"] > 0.1
    assert "'feature' (past) +1.00" in result.suspicions()[-1]


@pytest.mark.parametrize(("prepare", "roles"), HONEST.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_honest_features_pass_and_are_those_of_the_whole_frame(prepare, roles):
    checks = audit(ridge(**roles), PRICES, 3, prepare=prepare).set_index("check")
    assert checks.loc[checks["kind"] == "leak", "passed"].all()
    assert checks["passed"]["covariates know the next change"]
    found = backtest({"ridge": ridge(**roles)}, PRICES, n_cutoffs=8, stride=5, refit=3, prepare=prepare)
    want = backtest({"ridge": ridge(**roles)}, prepare(PRICES), n_cutoffs=8, stride=5, refit=3)
    assert_frame_equal(found.forecasts, want.forecasts, check_exact=True)
    assert_frame_equal(found.fits, want.fits)
    pd.testing.assert_series_equal(found.mase_scale, want.mase_scale, check_exact=True)


def panel():
    rng, parts = np.random.default_rng(0), {}
    for name, begin in {"b": 0, "a": 70, "c": 5}.items():
        shape = {"y": np.exp(rng.normal(size=90).cumsum() / 10), "volume": rng.integers(1, 9, 90)}
        parts[name] = pd.DataFrame(shape | {"promo": rng.random(90) < 0.3, "size": float(begin)}, DAYS)[begin:]
    return pd.concat(parts, names=["id", "day"])


FORMS = {
    "panel": (panel(), {"target": "y", "past": "volume", "known": "promo", "static": "size"}),
    "time first": (panel().swaplevel(), {"target": "y", "past": "volume", "known": "promo", "static": "size"}),
    "shuffled": (panel().sample(frac=1.0, random_state=0), {"target": "y", "known": "promo"}),
    "long": (panel().reset_index(), {"target": "y", "known": "promo", "id_column": "id", "time_column": "day"}),
    "wide": (panel()[["y", "volume"]].astype(float).unstack("id"), {"target": "y", "past": "volume"}),
    "wide, known": (panel()[["y", "volume"]].astype(float).unstack("id"), {"target": "y", "known": "volume"}),
    "tickers first": (panel()[["y"]].unstack("id").swaplevel(axis=1), {"target": "y"}),
    "closes": (panel()["y"].unstack("id").rename_axis(columns="Ticker"), {}),
    "series": (panel().loc["b", "y"].rename(None), {}),
    "whole numbers": (panel().loc["b"].reset_index(drop=True), {"target": "y", "known": ["promo"]}),
}
forms = pytest.mark.parametrize(("frame", "roles"), FORMS.values(), ids=FORMS)


@forms
def test_a_causal_function_changes_no_bit_whatever_the_shape(frame, roles):
    model = Forecaster(make_pipeline(SimpleImputer(), Ridge()), 3, 8, log=True, **roles)
    before = frame.copy(deep=True)
    found = backtest(model, frame, n_cutoffs=5, stride=3, refit=2, prepare=lambda raw: 2 * raw if raw.ndim < 2 else raw)
    want = backtest(model, 2 * frame if frame.ndim < 2 else frame, n_cutoffs=5, stride=3, refit=2)
    assert_frame_equal(found.forecasts, want.forecasts, check_exact=True)
    assert frame.equals(before)


def stamps(frame):
    """The timestamp of every row."""
    if "day" in frame:
        return pd.Index(frame["day"])
    return frame.index.get_level_values("day") if "day" in frame.index.names else frame.index


@forms
def test_a_frame_that_is_cut_has_its_early_rows_as_they_were(frame, roles):
    schema = Schema.of(**{role: name for role, name in roles.items() if role != "known"})
    cutoff = stamps(frame).sort_values().unique()[50]
    early = frame[np.asarray(stamps(frame) <= cutoff)]
    if frame.ndim == 2:  # "a" begins later
        early = early.loc[:, ["a" not in (name if isinstance(name, tuple) else [name]) for name in early]]
    found = cut(frame, schema, 3, cutoff)
    assert found.equals(early)
    assert found.index.equals(early.index)
    assert frame.ndim == 1 or found.dtypes.equals(early.dtypes)


def test_known_covariates_to_come_stay_and_all_else_repeats_its_last_value():
    frame, schema = panel(), Schema.of("y", past="volume", known="promo", static="size")
    found = cut(frame, schema, 3, DAYS[50])
    assert found.index.get_level_values("id").unique().tolist() == ["b", "c"]
    for name, series in found.groupby("id"):
        whole = frame.loc[name]
        assert series.droplevel("id").index.equals(whole.index[: len(series)])
        assert (series["promo"].array == whole["promo"][: len(series)].array).all()
        assert series["size"].nunique() == 1
        assert (series[["y", "volume"]][-3:].to_numpy() == whole.loc[DAYS[50], ["y", "volume"]].to_numpy(float)).all()
    assert found.dtypes.equals(frame.dtypes)


def test_a_function_may_make_another_shape_and_change_its_argument():
    raw = pd.concat({"x": PRICES, "y": PRICES[::-1].set_axis(PRICES.index)}, axis=1).swaplevel(axis=1)
    raw = raw.rename_axis(columns=["Price", "Ticker"])

    def stacked(frame):
        frame["close"] = frame["close"] * 1.0
        table = frame.stack(level=1, future_stack=True).swaplevel().rename_axis(["ticker", "date"])
        return table.assign(change=np.log(table["close"]).groupby(level=0).diff()).dropna()

    before, model = raw.copy(deep=True), ridge(past="change")
    checks = audit(model, raw, 2, prepare=stacked).set_index("check")
    assert checks.loc[checks["kind"] == "leak", "passed"].all()
    found = backtest(model, raw, n_cutoffs=4, prepare=stacked).forecasts
    assert_frame_equal(found, backtest(model, stacked(raw.copy()), n_cutoffs=4).forecasts, check_exact=True)
    assert raw.equals(before)


def test_targets_that_only_the_function_makes_are_audited_as_far_as_they_go():
    def ratios(frame):
        return pd.DataFrame({"ratio": frame["close"] / frame["volume"]})

    model = Forecaster(Ridge(), 1, 20, target="ratio", calendar="XNYS")
    passed = audit(model, PRICES, 2, prepare=ratios).set_index("check")["passed"]
    assert passed["future in prepare"]
    assert passed[["rescaled history", "shuffled returns", "fit depends on its data"]].isna().all()


def test_a_function_that_fails_on_a_cut_frame_is_a_finding_and_not_a_traceback():
    def needs_all_rows(frame):
        return frame.assign(rank=np.arange(500))

    checks = audit(ridge(past="rank"), PRICES, 2, prepare=needs_all_rows).set_index("check")
    found = checks.loc["future in prepare"]
    assert not found["passed"]
    assert "prepare fails on the raw frame cut at 20" in found["meaning"]
    with pytest.raises(DataError, match=r"prepare fails on the raw frame cut at 2018.*ValueError: Length of values"):
        backtest(ridge(past="rank"), PRICES, n_cutoffs=8, prepare=needs_all_rows)


def test_a_function_that_only_poison_breaks_passes_and_says_so():
    def in_thousands(frame):
        return frame.assign(volume=(frame["volume"] / 1000).astype("int64"))

    found = audit(ridge(past="volume"), PRICES, 2, prepare=in_thousands).set_index("check").loc["future in prepare"]
    assert found["passed"]
    assert "it fails where they are replaced: prepare fails on the raw frame with 'missing' after" in found["meaning"]


class NotEnoughBars(Exception):
    """An error of the user's own."""


@pytest.mark.parametrize("error", [NotEnoughBars, AssertionError])
def test_a_function_may_raise_what_it_likes(error):
    def whole_only(frame):
        if len(frame) < 500:
            raise error("too few bars")
        return frame

    def clean_only(frame):
        if frame["close"].max() > 1e6:
            raise error("no such prices")
        return frame

    found = audit(ridge(), PRICES, 2, prepare=whole_only).set_index("check").loc["future in prepare"]
    assert not found["passed"]
    assert f"{error.__name__}: too few bars" in found["meaning"]
    found = audit(ridge(), PRICES, 2, prepare=clean_only).set_index("check").loc["future in prepare"]
    assert found["passed"]
    assert f"{error.__name__}: no such prices" in found["meaning"]
    with pytest.raises(DataError, match="too few bars") as raised:
        backtest(ridge(), PRICES, n_cutoffs=8, prepare=whole_only)
    assert isinstance(raised.value.__cause__, error)


def test_a_function_that_draws_is_told_from_one_that_looks_ahead():
    rng = np.random.default_rng(0)

    def noisy(frame):
        return frame.assign(noise=rng.normal(size=len(frame)))

    found = audit(ridge(past="noise"), PRICES, 2, prepare=noisy).set_index("check").loc["future in prepare"]
    assert not found["passed"]
    assert found["meaning"].endswith("it needs a seed")


def test_a_long_raw_frame_is_cut_by_its_dates_when_the_function_picks_one_series():
    tables = {name: PRICES.assign(close=PRICES["close"] * k) for k, name in enumerate("xy", 1)}
    raw = pd.concat(tables, names=["ticker"]).reset_index()

    def second(frame):
        return indicators(frame[frame["ticker"] == "y"].set_index("date").drop(columns="ticker"))

    model = ridge(past=["change", "z"])
    assert audit(model, raw, 2, prepare=second).set_index("check")["passed"]["future in prepare"]
    found = backtest(model, raw, n_cutoffs=3, prepare=second).forecasts
    assert_frame_equal(found, backtest(model, second(raw), n_cutoffs=3).forecasts, check_exact=True)


def test_timestamps_of_another_kind_are_named():
    def dated_later(frame):
        return frame.set_axis(PRICES.index[: len(frame)])

    with pytest.raises(DataError, match="Both need the same kind and time zone"):
        backtest(ridge(), PRICES.reset_index(drop=True), n_cutoffs=2, prepare=dated_later)
    with pytest.raises(DataError, match="Both need the same kind and time zone"):
        backtest(ridge(), PRICES.tz_localize("UTC"), n_cutoffs=2, prepare=dated_later)


def test_an_error_on_the_whole_frame_is_the_function_s_own():
    with pytest.raises(KeyError, match="colse"):
        audit(ridge(), PRICES, prepare=lambda frame: frame.assign(x=frame["colse"]))


def test_what_is_missing_at_the_cutoff_alone_is_named():
    def tomorrow(frame):
        return frame.assign(feature=returns(frame["close"]).shift(-1))

    with pytest.warns(UserWarning, match=LOOKS_AHEAD), pytest.raises(DataError, match="once the raw frame ends there"):
        backtest(ridge(past="feature"), PRICES, n_cutoffs=2, prepare=tomorrow)
    with (
        pytest.warns(UserWarning, match=r"which rows there are"),
        pytest.raises(
            DataError,
            match=r"once the raw frame ends there: prepare makes no row of the cutoff itself without later ones",
        ),
    ):
        backtest(ridge(past="feature"), PRICES, n_cutoffs=2, prepare=lambda frame: tomorrow(frame).dropna())


def test_rounding_is_not_looking_ahead():
    """A cumulative sum from the end has other last bits when it begins elsewhere."""

    def wobbling(frame):
        return frame.assign(close=frame["close"] * (1 + 1e-13 * len(frame)))

    found = backtest(ridge(), PRICES, n_cutoffs=3, prepare=wobbling)
    assert_frame_equal(found.forecasts, backtest(ridge(), wobbling(PRICES), n_cutoffs=3).forecasts)


def test_rolling_forecasts_know_cut_frames_only():
    cutoffs = PRICES.index[[300, 350, 400]]
    honest = rolling_forecasts(ridge(past=["change", "z"]), PRICES, cutoffs, refit=True, prepare=indicators)
    want = rolling_forecasts(ridge(past=["change", "z"]), indicators(PRICES), cutoffs, refit=True)
    assert_frame_equal(honest, want, check_exact=True)
    with pytest.warns(UserWarning, match=LOOKS_AHEAD):
        cheat = rolling_forecasts(ridge(past="feature"), PRICES, cutoffs, prepare=with_tomorrow)
    plain = rolling_forecasts(ridge(past="feature"), with_tomorrow(PRICES), cutoffs)
    first = plain["step"] == 1
    errors = [(table["forecast"] - table["actual"]).abs()[first].mean() for table in (cheat, plain)]
    assert errors[0] > 10 * errors[1]


def test_models_that_know_other_columns_ahead_share_one_raw_frame():
    models = {"plain": ridge(), "dated": ridge(known="weekday"), "led": ridge(past="weekday")}
    found = backtest(models, PRICES, n_cutoffs=3, prepare=dated)
    want = backtest(models, dated(PRICES), n_cutoffs=3)
    assert_frame_equal(found.forecasts, want.forecasts, check_exact=True)


def test_series_that_are_chosen_in_hindsight_are_not_there_before():
    """The function keeps the ticker that ends highest, which is known at the end only."""
    rng = np.random.default_rng(3)
    index = pd.bdate_range("2024", periods=120, name="date")
    raw = pd.DataFrame(np.exp(0.05 * rng.normal(size=(120, 4)).cumsum(axis=0)), index, list("abcd"))
    raw = raw.rename_axis(columns="Ticker")

    def winners(frame):
        return frame[frame.iloc[-1].nlargest(2).index.sort_values()]

    with pytest.warns(UserWarning, match="which rows there are"):
        result = backtest(Forecaster(Ridge(), 1, 5), raw, n_cutoffs=40, prepare=winners)
    assert len(result.forecasts) < 40 * 2 * result.forecasts["model"].nunique()


def halted():
    """Prices of three series, of which "b" has none for a while, and "c" ends."""
    rng, index = np.random.default_rng(4), pd.bdate_range("2023", periods=120, name="date")
    wide = pd.DataFrame(np.exp(0.02 * rng.normal(size=(120, 3)).cumsum(axis=0)), index, list("abc"))
    wide.loc[index[70:84], "b"] = np.nan
    wide.loc[index[100:], "c"] = np.nan
    return wide.rename_axis(columns="ticker")


def filled(frame):
    return regularize(frame, "B", fill="ffill")


def filled_with_changes(frame):
    frame = filled(frame)
    return frame.assign(change=np.log(frame["close"]).groupby(level="ticker").diff()).dropna()


def filled_with_tomorrow(frame):
    frame = filled(frame)
    return frame.assign(change=frame["close"].groupby(level="ticker").shift(-1).fillna(0.0))


PANEL = halted().stack().rename("close").to_frame().dropna().swaplevel().sort_index()
HALTED = {
    "panel": (PANEL, filled, {"target": "close"}),
    "shuffled": (PANEL.sample(frac=1.0, random_state=0), filled, {"target": "close"}),
    "long": (
        PANEL.assign(volume=7).reset_index(),
        lambda frame: regularize(frame, "B", fill="ffill", id_column="ticker", time_column="date"),
        {"target": "close", "past": "volume", "id_column": "ticker", "time_column": "date"},
    ),
    "wide": (halted()[["a", "b"]], filled, {}),
    "fields": (pd.concat({"close": halted()[["a", "b"]]}, axis=1), filled, {"target": "close"}),
    "series": (PANEL.loc["b", "close"], filled, {}),
    "features": (PANEL, filled_with_changes, {"target": "close", "past": "change"}),
    "calendar": (PANEL, filled, {"target": "close", "known": "calendar"}),
}


@pytest.mark.parametrize(("raw", "prepare", "roles"), HALTED.values(), ids=HALTED)
def test_prices_carried_forward_over_a_halt_are_not_looking_ahead(raw, prepare, roles):
    model = Forecaster(Ridge(), 1, 10, calendar="B", **roles)
    cutoffs = halted().index[65:90:6]
    found = backtest(model, raw, cutoffs=cutoffs, prepare=prepare)
    assert_frame_equal(found.forecasts, backtest(model, prepare(raw), cutoffs=cutoffs).forecasts, check_exact=True)
    if raw is PANEL:
        assert set(found.forecasts.query("ticker == 'b'")["cutoff"]) == set(cutoffs)
    passed = audit(model, raw, 2, prepare=prepare).set_index("check")["passed"]
    assert passed["future in prepare"]


def test_a_cheat_is_caught_in_a_halt_too():
    model = Forecaster(Ridge(), 1, 10, calendar="B", target="close", past="change")
    with pytest.warns(UserWarning, match=LOOKS_AHEAD):
        backtest(model, PANEL, cutoffs=halted().index[72:80], prepare=filled_with_tomorrow)
