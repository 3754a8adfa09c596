"""Calls that a type checker has to refuse: `make type` fails if one of the ignores below is not needed."""

import tsseq
from tsseq import GRU, Costs, LSTMForecaster, Training


def right_options_pass() -> None:
    LSTMForecaster(5, 60, target="close", hidden_size=3, training=Training(max_epochs=1)).fit
    tsseq.Forecaster(tsseq.NeuralRegressor(GRU(hidden_size=3)), 5, 60)
    Costs(slippage_bps=2)


def misspelt_options_are_refused() -> None:
    LSTMForecaster(5, 60, hiden_size=3)  # pyright: ignore[reportCallIssue]
    GRU(hiden_size=3)  # pyright: ignore[reportCallIssue]
    Training(max_epoch=1)  # pyright: ignore[reportCallIssue]
    Costs(slipage_bps=2)  # pyright: ignore[reportCallIssue]


def a_missing_argument_is_refused() -> None:
    LSTMForecaster(5)  # pyright: ignore[reportCallIssue]


def an_option_of_another_type_is_refused() -> None:
    LSTMForecaster(5, 60, hidden_size="many")  # pyright: ignore[reportArgumentType]


def a_misspelt_name_is_refused() -> None:
    tsseq.LSTMForcaster  # pyright: ignore[reportAttributeAccessIssue]
