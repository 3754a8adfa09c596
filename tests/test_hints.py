"""A parameter known from another toolkit is answered with the name that it bears here."""

import copy
import inspect
import pickle

import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import Ridge

from tsseq import Forecaster
from tsseq.errors import ConfigError
from tsseq.hints import ALIASES, RejectsForeignNames


class Model(RejectsForeignNames, BaseEstimator):
    def __init__(self, horizon, *, hidden_size=8):
        self.horizon = horizon
        self.hidden_size = hidden_size


@pytest.mark.parametrize(("other", "ours"), [(other, ours) for ours, others in ALIASES.items() for other in others])
def test_every_other_name_is_answered_with_ours(other, ours):
    for error in (ConfigError, TypeError, ValueError):
        with pytest.raises(error) as caught:
            Forecaster(Ridge(), 5, 10, **{other: 1})
        assert repr(other) in str(caught.value)
        assert ours in str(caught.value)


def test_the_first_line_of_a_user_of_another_toolkit_is_answered_before_what_is_missing():
    with pytest.raises(ConfigError, match=r"Forecaster has no parameter 'h'; here it is horizon"):
        Forecaster(Ridge(), h=5, input_size=10, freq="D")
    with pytest.raises(
        ConfigError, match=r"Forecaster has no parameter 'input_chunk_length'; here it is context_length"
    ):
        Forecaster(Ridge(), input_chunk_length=10, output_chunk_length=5)


def test_a_name_that_nobody_has_is_answered_with_all_of_ours():
    with pytest.raises(
        ConfigError, match=r"no parameter 'tagret'; it has regressor, horizon, context_length, target, past"
    ):
        Forecaster(Ridge(), 5, 10, tagret="close")


def test_no_name_has_two_answers_and_none_is_a_parameter_of_ours():
    names = [name for others in ALIASES.values() for name in others]
    assert len(names) == len(set(names))
    assert not set(names) & set(inspect.signature(Forecaster.__init__).parameters)


def test_what_is_missing_or_too_much_is_left_to_python():
    with pytest.raises(TypeError, match="context_length"):
        Forecaster(Ridge(), 5)
    with pytest.raises(TypeError, match="positional"):
        Forecaster(Ridge(), 5, 10, "close")


def test_estimators_with_other_names_are_built_cloned_copied_and_pickled_as_any_other():
    model = Model(3, hidden_size=16)
    for twin in (clone(model), copy.deepcopy(model), copy.copy(model), pickle.loads(pickle.dumps(model))):
        assert type(twin) is Model
        assert twin.get_params() == {"horizon": 3, "hidden_size": 16}
    with pytest.raises(ConfigError, match="Model has no parameter 'units'; here it is hidden_size"):
        Model(3, units=16)
