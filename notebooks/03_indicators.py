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
# # Indicators that know no future
#
# Features are where most backtests go wrong: a shift by one row, a centred average, a scaler that has seen the whole
# history. Here they come from TA-Lib (`pip install TA-Lib`), through one function that `audit` and `backtest` call
# themselves, on frames whose future was poisoned or cut off. What the function knows too early then shows.

# %%
import warnings

import pandas as pd
import talib
from sklearn.linear_model import Ridge

import tsseq
from tsseq import Costs, Forecaster

raw = tsseq.load_sample("sp500").loc["2008":]
raw.tail(3)

# %% [markdown]
# ## One function from prices to features
#
# It gets the raw frame and returns the frame that the model sees: the same rows, without those that the indicators need
# to begin with, and a column for each feature.


# %%
def features(prices: pd.DataFrame) -> pd.DataFrame:
    high, low, close = (prices[name].to_numpy(dtype=float) for name in ("high", "low", "close"))
    *_, histogram = talib.MACD(close)
    columns = {
        "close": prices["close"],
        "rsi": talib.RSI(close, timeperiod=14) / 100,
        "macd": histogram / close,
        "range": talib.NATR(high, low, close, timeperiod=14) / 100,
        "trend": talib.ADX(high, low, close, timeperiod=14) / 100,
    }
    return pd.DataFrame(columns, prices.index).iloc[60:]


indicators = ["rsi", "macd", "range", "trend"]
model = Forecaster(Ridge(), 5, 40, target="close", past=indicators, log=True, calendar="XNYS")
features(raw).tail(3).round(4)

# %% [markdown]
# ## Does it look ahead?

# %%
findings = tsseq.audit(model, raw, prepare=features)
findings.set_index("check")[["kind", "passed", "meaning"]].style

# %% [markdown]
# ## What if it did?
#
# The same with one more column, a five-day average centred on its day, as plotting libraries draw it. It knows two days
# of the future.


# %%
def cheating(prices: pd.DataFrame) -> pd.DataFrame:
    centred = prices["close"].rolling(5, center=True, min_periods=1).mean() / prices["close"] - 1
    return features(prices).assign(smooth=centred)


cheat = Forecaster(Ridge(), 5, 40, target="close", past=[*indicators, "smooth"], log=True, calendar="XNYS")
findings = tsseq.audit(cheat, raw, prepare=cheating)
findings.loc[~findings["passed"].fillna(True), ["check", "kind", "meaning"]].style.hide()

# %% [markdown]
# In a backtest of the frame that was prepared beforehand the cheat is a triumph, and the result says that it is too good
# to be true. Prepared anew at every cutoff, from what was known there, nothing is left of it.

# %%
options = {"n_cutoffs": 60, "stride": 5}
beforehand = tsseq.backtest({"cheat": cheat}, cheating(raw), **options)
with warnings.catch_warnings(record=True) as messages:
    warnings.simplefilter("always")
    at_cutoffs = tsseq.backtest({"cheat": cheat}, raw, prepare=cheating, **options)
honest = tsseq.backtest({"ridge": model}, raw, prepare=features, **options)
results = {"cheat, prepared beforehand": beforehand, "cheat, at each cutoff": at_cutoffs, "without it": honest}
pd.DataFrame({name: result.scores.iloc[-1] for name, result in results.items()}).T[["skill", "direction"]].round(3)

# %%
print(*beforehand.suspicions(), *[message.message for message in messages], sep="\n")

# %% [markdown]
# ## In money
#
# A long position where the forecast is above today's price, against holding the index, after costs.

# %%
weights = tsseq.to_weights(honest.forecasts, features(raw), allow_short=False)
book = tsseq.simulate(weights, raw, costs=Costs(bps=5, slippage_bps=2))
book.compare().round(3)

# %%
ax = book.plot()
