# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From tickers to a tear sheet
#
# Twenty US stocks, forecast five trading days ahead by one network, ranked, traded with costs, and judged. With a network
# connection, `panel, report = tsseq.download_prices(["AAPL", "MSFT"], start="2015-01-01")` gives a panel of the same form.

# %%
import tempfile
from pathlib import Path

from sklearn.linear_model import Ridge

import tsseq
from tsseq import Costs, Forecaster, GRUForecaster, Training
from tsseq.trading import break_even_cost, cost_sweep, signal_quality

prices = tsseq.load_sample("us_stocks")
prices = prices[prices.index.get_level_values("date") >= "2012"]
prices.groupby("ticker").size().describe()[["count", "min", "max"]]

# %% [markdown]
# ## Forecast
#
# One model for all tickers: `log=True` makes them comparable, `calendar="XNYS"` knows the sessions, and
# `known="calendar"` adds weekday, season and the days around holidays. The rows up to the first of the cutoffs train it.

# %%
roles = {"target": "close", "log": True, "calendar": "XNYS"}
training = Training(max_epochs=2, batch_size=512, seed=0, verbose=False)
models = {
    "gru": GRUForecaster(5, 60, known="calendar", hidden_size=32, training=training, **roles),
    "ridge": Forecaster(Ridge(), 5, 60, **roles),
}
result = tsseq.backtest(models, prices, n_cutoffs=150, stride=5)
result.scores.round(3)

# %% [markdown]
# Is any model better than repeating the last price? Errors are averaged over the tickers at each date first, since all
# stocks fall on the same days.

# %%
result.compare(alternative="less").round(3)

# %% [markdown]
# For a strategy that picks stocks, what matters is whether the forecasts sort them. The information coefficient is their
# correlation with what followed, across tickers and date by date; 0.03 to 0.05 is good.

# %%
signal_quality(result.forecasts, "gru").summary().round(3)

# %% [markdown]
# ## Trade
#
# Every rule that was tried counts: the best of many is partly luck. `sweep` simulates all of them and keeps the ledger.

# %%
grid = {"model": ["gru", "ridge"], "rule": ["top_k"], "k": [1, 2, 3, 5, 8, 12]}
tried = tsseq.sweep(result.forecasts, prices, grid, costs=Costs(bps=5, slippage_bps=2))
tried.round(3)

# %%
weights = tsseq.to_weights(result.forecasts, prices, model="gru", rule="top_k", k=5)
book = tsseq.simulate(weights, prices, costs=Costs(bps=5, slippage_bps=2), engine="shares")
book.stats()

# %%
ax = book.plot()

# %% [markdown]
# Did it earn more than equal parts of all twenty, after costs? The p-value allows for every rule that was tried.

# %%
book.compare(tried.attrs["trials"]).round(3)

# %% [markdown]
# What would costs have to be for nothing to be left?

# %%
round(break_even_cost(book), 1)

# %%
cost_sweep(book, [0, 5, 10, 20, 50]).round(3)

# %% [markdown]
# ## Report
#
# One page that works offline. It also says what this cannot show: the tickers were chosen knowing that they survived.

# %%
with tempfile.TemporaryDirectory() as folder:
    page = tsseq.report(result, book, Path(folder) / "stocks.html", trials=tried.attrs["trials"])
    print(f"{page.name}: {page.stat().st_size / 1e6:.1f} MB")
