"""NeuralRegressor is a scikit-learn regressor, on tables and on windows."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from tsseq import ConfigError, Forecaster, NeuralRegressor, Normal, Point, Quantiles, Training, load_sample, make_series
from tsseq.data.layout import Layout
from tsseq.networks import GRU, LSTM, Linear, Transformer

QUICK = Training(max_epochs=2, verbose=False)
X = np.random.default_rng(0).normal(size=(200, 6))
Y = X @ [1.0, 0.0, -2.0, 0.0, 0.5, 0.0]


# Repeated rows fall into other batches than weighted ones; tests of weights compare them in batches of all rows.
SHUFFLED = {"check_sample_weight_equivalence_on_dense_data": "batches are drawn at random"}


@pytest.mark.parametrize("network", [LSTM(hidden_size=8), Linear()], ids=repr)
def test_check_estimator_passes_but_for_the_order_of_batches(network):
    model = NeuralRegressor(network, training=Training(max_epochs=3, learning_rate=0.01, verbose=False))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = check_estimator(model, on_skip=None, on_fail=None, expected_failed_checks=SHUFFLED)
    assert [result for result in results if result["status"] == "failed"] == []
    assert {result["check_name"] for result in results if result["status"] == "xfail"} <= SHUFFLED.keys()
    assert {result["check_name"] for result in results if result["status"] == "skipped"} <= {"check_array_api_input"}
    assert sum(result["status"] == "passed" for result in results) >= 50
    tags = model.__sklearn_tags__()
    assert tags.input_tags.two_d_array
    assert not tags.regressor_tags.poor_score


def test_targets_in_units_of_the_data_may_be_large():
    training = Training(learning_rate=1.0, weight_decay=0.0, verbose=False)
    assert NeuralRegressor(Linear(), training=training).fit(X, 100 * Y).score(X, 100 * Y) > 0.99


def test_missing_values_in_a_table_are_masked_and_its_memory_may_lie_in_any_way():
    rows = np.hstack([X, np.random.default_rng(1).normal(size=(200, 1))])
    rows[::3, 6] = np.nan
    model = NeuralRegressor(Linear(), training=Training(max_epochs=30, verbose=False)).fit(rows, Y)
    assert model.layout_.missing
    assert model.score(rows, Y) > 0.9
    frozen = rows.copy()
    frozen.setflags(write=False)
    views = {"reversed": rows[::-1].copy()[::-1], "frozen": frozen, "columns": rows[:, ::-1].copy()[:, ::-1]}
    for name, view in views.items():
        np.testing.assert_array_equal(model.predict(view), model.predict(rows), err_msg=name)
    whole = NeuralRegressor(Linear(), training=QUICK).fit(rows[1::3], Y[1::3])
    assert not whole.layout_.missing
    assert np.isfinite(whole.predict(rows)).all()
    with pytest.raises(ValueError, match="infinity"):
        model.predict(np.where(np.isnan(rows), np.inf, rows))


def test_what_is_not_fitted_says_so():
    for ask in (
        lambda model: model.sample(X, np.full((1, 1, 1), 0.5)),
        lambda model: model.predict_quantiles(X, [0.5]),
    ):
        with pytest.raises(NotFittedError):
            ask(NeuralRegressor(head=Normal()))
    with pytest.raises(NotFittedError):
        NeuralRegressor(Transformer()).attention(X)


def test_a_layout_tells_what_the_columns_of_a_table_are():
    layout = Layout(context_length=2, horizon=1, n_past=2)
    assert NeuralRegressor(GRU(8), layout=layout, training=QUICK).fit(X, Y).layout_ == layout
    with pytest.raises(ConfigError, match=r"needs 6 columns of X and 2 of y; there are 6 and 1"):
        NeuralRegressor(layout=Layout(2, 2, n_past=2), training=QUICK).fit(X, Y)


def test_several_outputs_come_back_in_their_shape():
    model = NeuralRegressor(Linear(), training=QUICK).fit(X, np.column_stack([Y, -Y]))
    assert model.predict(X).shape == (200, 2)
    assert model.layout_ == Layout(6, 2)


def test_windows_and_the_same_rows_as_arrays_train_the_same_model():
    windows = Forecaster(Ridge(), 4, 12).windows(make_series("seasonal", 300))
    training = Training(max_epochs=2, validation=0, verbose=False)
    model = NeuralRegressor(Linear(), training=training)
    lazy = clone(model).fit(windows, windows.targets())
    plain = clone(model).fit(np.asarray(windows), np.asarray(windows.targets()))
    np.testing.assert_array_equal(lazy.predict(windows), plain.predict(np.asarray(windows)))


def test_grid_search_over_windows():
    windows = Forecaster(Ridge(), 4, 12).windows(make_series("seasonal", 300))
    model = NeuralRegressor(LSTM(hidden_size=4), training=Training(max_epochs=3, verbose=False))
    grid = {"network__hidden_size": [2, 8], "training__learning_rate": [1e-5, 1e-2]}
    search = GridSearchCV(model, grid, cv=TimeSeriesSplit(2)).fit(windows, windows.targets())
    assert search.best_params_["training__learning_rate"] == 1e-2
    assert search.predict(windows).shape == (len(windows), 4)
    assert isinstance(search.best_estimator_.layout_, Layout)


def test_cross_validation_and_pipelines():
    windows = Forecaster(Ridge(), 1, 12).windows(make_series("seasonal", 400))
    model = make_pipeline(StandardScaler(), NeuralRegressor(Linear(), training=Training(max_epochs=8, verbose=False)))
    assert cross_val_score(model, windows, windows.targets(), cv=TimeSeriesSplit(2)).min() > 0.5


def test_a_forecast_does_not_depend_on_its_neighbours():
    model = NeuralRegressor(LSTM(hidden_size=16), training=QUICK).fit(X, Y)
    together = model.predict(np.tile(X, (3, 1)))
    singles = np.concatenate([model.predict(X[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(together[400:420], singles, rtol=0, atol=1e-7)


def test_pickle_keeps_every_bit():
    model = NeuralRegressor(LSTM(hidden_size=8), head=Quantiles([0.1, 0.9]), training=QUICK).fit(X, Y)
    other = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(model.predict(X), other.predict(X))
    np.testing.assert_array_equal(model.predict_quantiles(X, [0.2]), other.predict_quantiles(X, [0.2]))


def test_quantiles_have_a_last_axis_of_levels():
    model = NeuralRegressor(Linear(), head=Normal(), training=QUICK).fit(X, np.column_stack([Y, Y, Y]))
    found = model.predict_quantiles(X, [0.1, 0.5, 0.9])
    assert found.shape == (200, 3, 3)
    assert (np.diff(found, axis=-1) > 0).all()
    np.testing.assert_allclose(found[..., 1], model.predict(X), rtol=1e-6)


@pytest.mark.parametrize("head", [None, Point()])
def test_a_point_head_has_no_quantiles(head):
    model = NeuralRegressor(Linear(), head=head, training=QUICK)
    assert not hasattr(model, "predict_quantiles")
    assert hasattr(model.set_params(head=Normal()), "predict_quantiles")
    forecaster = Forecaster(NeuralRegressor(Linear(), head=head, training=QUICK), 2, 8).fit(make_series("noise", 60))
    with pytest.raises(ConfigError, match=r"head=Quantiles\(\[...\]\)"):
        forecaster.predict(levels=[0.1, 0.9])


def test_fit_does_not_change_what_it_was_given():
    network, head, training = LSTM(hidden_size=4), Quantiles([0.3]), Training(max_epochs=1, verbose=False)
    model = NeuralRegressor(network, head, training)
    before = repr(model.get_params())
    model.fit(X, Y)
    assert repr(model.get_params()) == before
    assert (model.network, model.head, model.training) == (network, head, training)


def test_names_from_elsewhere_are_explained():
    with pytest.raises(ConfigError, match="here it is hidden_size"):
        LSTM(hidden_dim=3)
    with pytest.raises(TypeError, match=r"here it is training=Training\(max_epochs=...\)"):
        NeuralRegressor(n_epochs=3)


@pytest.mark.parametrize("regressor", [NeuralRegressor(Linear(), training=QUICK), Ridge()], ids=["neural", "ridge"])
def test_y_is_read_whatever_its_order(regressor):
    windows = Forecaster(Ridge(), 3, 24).windows(load_sample("airline"))
    shuffled = np.random.default_rng(0).permutation(len(windows))

    def predictions(y):
        return clone(regressor).fit(windows, y).predict(windows)

    true, lazy = predictions(windows.targets()), predictions(windows.targets()[shuffled])
    assert not np.allclose(true, lazy)
    np.testing.assert_array_equal(lazy, predictions(np.asarray(windows.targets())[shuffled]))
    np.testing.assert_array_equal(true, predictions(np.asarray(windows.targets())))
