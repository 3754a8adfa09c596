"""Models of single series stand beside networks, whatever library they are from."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from tsseq import ConfigError, ConformalForecaster, DataError, Forecaster, SeasonalNaive, backtest, load_sample
from tsseq.adapters import LocalModel

AIR = load_sample("airline")


class LikeStatsforecast:
    """Repeats the last season, with intervals as wide as their level says."""

    def __init__(self, season_length=12):
        self.season_length = season_length

    def forecast(self, y, h, level=None):
        mean = np.resize(y[-self.season_length :], h)
        intervals = {
            f"{end}-{share}": mean + sign * share for share in level or [] for end, sign in zip(("lo", "hi"), (-1, 1))
        }
        return {"mean": mean, **intervals}


class LikeSktime:
    """Repeats the mean of the history; asked twice, it fails, since it is fitted once."""

    def fit(self, y, X=None, fh=None):
        assert not hasattr(self, "mean")
        assert isinstance(y, pd.Series)
        self.mean = y.mean()
        return self

    def predict(self, fh=None, X=None):
        return pd.Series(self.mean, np.asarray(fh))

    def get_tag(self, name, default=None):
        return False


class LikeSkforecast:
    """Repeats the length of the history."""

    def fit(self, y, exog=None):
        self.length = len(y)

    def predict(self, steps, last_window=None):
        return pd.Series(float(self.length), range(steps))


def test_a_season_repeated_is_the_naive_one_at_every_cutoff():
    models = {
        "local": Forecaster(LocalModel(LikeStatsforecast()), 6, 36),
        "naive": Forecaster(SeasonalNaive(12), 6, 36),
    }
    scores = backtest(models, AIR, n_cutoffs=5).scores
    assert scores.loc["local", "MAE"] == pytest.approx(scores.loc["naive", "MAE"])


def test_each_interface_is_fitted_anew_on_the_context_of_every_forecast():
    cutoffs = AIR.index[[60, 80]]
    rows = [AIR["passengers"].iloc[at - 23 : at + 1] for at in (60, 80)]
    means = Forecaster(LocalModel(LikeSktime()), 2, 24).fit(AIR[:61]).predict_at(AIR, cutoffs)
    assert means["forecast"].tolist() == pytest.approx(np.repeat([row.mean() for row in rows], 2))
    lengths = Forecaster(LocalModel(LikeSkforecast()), 2, 24).fit(AIR)
    assert lengths.predict()["passengers"].tolist() == [24.0, 24.0]
    assert lengths.predict(AIR[-10:])["passengers"].tolist() == [10.0, 10.0]


def test_quantiles_are_the_ends_of_the_intervals_of_the_model():
    model = Forecaster(LocalModel(LikeStatsforecast()), 3, 24).fit(AIR)
    forecast = model.predict(levels=[0.1, 0.5, 0.95])
    widths = forecast.sub(forecast["passengers"], axis=0).iloc[0].tolist()
    assert widths == pytest.approx([0, -80, 0, 90])
    without = Forecaster(LocalModel(LikeSktime()), 3, 24).fit(AIR)
    assert not without.has_quantiles
    assert ConformalForecaster(without, 20).fit(AIR).predict(levels=[0.1]).shape == (3, 2)


def test_several_series_and_targets_are_forecast_one_by_one():
    frame = pd.concat({"a": AIR, "b": 2 * AIR}, names=["id", "month"]).assign(
        double=lambda frame: 2 * frame["passengers"]
    )
    for multivariate in ("independent", "joint"):
        options = {"target": ["passengers", "double"], "multivariate": multivariate}
        model = Forecaster(LocalModel(LikeStatsforecast()), 2, 24, **options).fit(frame)
        forecast = model.predict(levels=[0.9])
        np.testing.assert_allclose(forecast.loc["b", "double"], 4 * AIR["passengers"].iloc[-12:-10])
        np.testing.assert_allclose(forecast["double_q0.9"], forecast["double"] + 80)


def test_what_no_library_has_is_refused_and_gaps_are_named():
    for model, message in (
        (Ridge(), "sktime, statsforecast or skforecast was needed"),
        (LikeSktime, r"write LikeSktime\("),
    ):
        with pytest.raises(ConfigError, match=message):
            Forecaster(LocalModel(model), 2, 24).fit(AIR)
    gaps = AIR.astype(float).copy()
    gaps.iloc[-5] = np.nan
    with pytest.raises(DataError, match="1 values are missing in a context of LikeSktime; fill them"):
        Forecaster(LocalModel(LikeSktime()), 2, 24).fit(AIR).predict(gaps)


@pytest.mark.clients
@pytest.mark.filterwarnings("ignore")
def test_ets_theta_arima_and_skforecast_are_rows_of_a_backtest():
    pytest.importorskip("statsforecast")
    from skforecast.recursive import ForecasterRecursive
    from sktime.forecasting.theta import ThetaForecaster
    from statsforecast.models import AutoARIMA, AutoETS

    models = {
        "ets": AutoETS(season_length=12),
        "arima": AutoARIMA(season_length=12),
        "theta": ThetaForecaster(sp=12),
        "skforecast": ForecasterRecursive(estimator=Ridge(), lags=24),
    }
    wrapped = {name: Forecaster(LocalModel(model), 12, 84) for name, model in models.items()}
    result = backtest(wrapped, AIR, n_cutoffs=3, levels=[0.1, 0.9])
    assert (result.scores.loc[list(models), "skill"] > 0.5).all()
    direct = AutoETS(season_length=12).forecast(y=AIR["passengers"].to_numpy(float)[-84:], h=12, level=[80])
    forecast = wrapped["ets"].fit(AIR).predict(levels=[0.1, 0.9])
    np.testing.assert_allclose(
        forecast.to_numpy(), np.column_stack([direct[name] for name in ("mean", "lo-80", "hi-80")])
    )
