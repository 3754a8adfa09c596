# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Quickstart
#
# Forecast the S&P 500 five trading days ahead, ask whether the forecast was worth anything, and look at what it would
# have earned.

# %%
from sklearn.linear_model import Ridge

import tsseq
from tsseq import Costs, Forecaster, LSTMForecaster, Quantiles, Training

prices = tsseq.load_sample("sp500")
prices.tail(3)

# %% [markdown]
# ## Fit and predict
#
# `log=True` models log prices, so the network sees returns since the origin. `calendar="XNYS"` makes the forecast land on
# trading days. Frames go in, frames come out.

# %%
roles = {"target": "close", "log": True, "calendar": "XNYS"}
training = Training(max_epochs=5, verbose=False)
model = LSTMForecaster(5, 60, head=Quantiles([0.1, 0.5, 0.9]), training=training, **roles)
model.fit(prices)
forecast = model.predict(levels=[0.1, 0.9])
forecast.round(1)

# %%
ax = tsseq.plot_forecast(prices["close"], forecast, last=60)

# %% [markdown]
# The loss of every epoch is in `history_`. Validation is the end of the training period, never a random part of it.

# %%
model.history_.round(4)

# %% [markdown]
# ## Was it any good?
#
# A backtest compares models at past cutoffs, each knowing only what was known then. The naive forecasts always take part.
# The model above was fitted on everything, so `backtest` fits a fresh copy on the rows up to the first cutoff.

# %%
models = {"lstm": model, "ridge": Forecaster(Ridge(), 5, 60, **roles)}
result = tsseq.backtest(models, prices, n_cutoffs=100, stride=5, levels=[0.1, 0.9])
result.scores.round(3)

# %%
result.compare(alternative="less").round(3)

# %% [markdown]
# The p-values ask whether a model is more accurate than repeating the last value. For an index like this one, it
# usually is not, and that is worth knowing before money is involved.
#
# ## And in money?
#
# A decision made at a close is filled at the next open, and costs are counted.

# %%
weights = tsseq.to_weights(result.forecasts, prices, model="lstm", rule="sign", short=False)
book = tsseq.simulate(weights, prices, costs=Costs(bps=5, slippage_bps=2))
book.stats().round(3)

# %%
ax = book.plot()

# %% [markdown]
# `tsseq.report(result, book, "report.html")` writes all of this to one page.
#
# ## Any regressor, any frame
#
# The same line works for scikit-learn's regressors and for panels of series. Here are twenty stocks at once.

# %%
stocks = tsseq.load_sample("us_stocks")
Forecaster(Ridge(), 5, 60, **roles).fit(stocks).predict().head(7).round(2)
