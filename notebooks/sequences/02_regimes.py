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
# # Market regimes
#
# Will a stock go up, down or nowhere next week? A column of categories is forecast like a column of numbers. The data:
# daily closes of twenty large US stocks from 1990 to 2022, which were chosen knowing that they survived; here their
# Fridays.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

import tsseq
from tsseq import ConformalForecaster, Forecaster, GRUForecaster, Training

prices = tsseq.load_sample("us_stocks")["close"].unstack("ticker")
moves = np.log(prices.resample("W-FRI").last()).diff().iloc[1:]
moves.shape

# %% [markdown]
# "Flat" is the smallest third of the moves until 2017. The years from 2018 on have no say in it: they are the test.

# %%
edge = float(moves[:"2017"].stack().abs().quantile(1 / 3))
names = np.select([moves > edge, moves < -edge], ["up", "down"], "flat")
regimes = pd.DataFrame(names, moves.index, moves.columns)
print(f"flat: less than {np.expm1(edge):.1%} in a week")

# %%
shares = pd.get_dummies(regimes.stack()).groupby(level="date").mean()[["down", "flat", "up"]]
yearly = shares.groupby(shares.index.year).mean()
fig, ax = plt.subplots(figsize=(9, 2.8))
ax.stackplot(
    yearly.index, yearly.T, labels=yearly.columns, colors=["#0072b2", "#d55e00", "#009e73"], step="mid", alpha=0.85
)
ax.set(xlim=(1990, 2022), ylim=(0, 1), ylabel="share of weeks")
ax.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# Flat weeks come in flat years: they are rare around 2000, 2008 and 2020. So the size of the last moves, of the stock and
# of all stocks, goes in as a covariate that is known up to the origin.

# %%
size = moves.abs()
columns = {"regime": regimes, "size": size.rolling(8).mean()}
columns["market"] = pd.DataFrame({name: size.mean(axis=1).rolling(4).mean() for name in moves})
frame = pd.concat({name: column.stack() for name, column in columns.items()}, axis=1).dropna()
frame = frame.swaplevel().sort_index().rename_axis(["ticker", "date"])
frame.tail(3).round(4)

# %% [markdown]
# ## An honest backtest
#
# Every Friday from 2018 on is a cutoff, each model is fitted once, before them, and three naive forecasts take part: the
# last regime, how often each came until then, and what followed the last one until then (a Markov chain of first order).

# %%
training = Training(max_epochs=2, batch_size=512, seed=0, verbose=False)
roles = {"target": "regime", "calendar": "W-FRI"}
small = {"hidden_size": 32, "segment_length": None, "training": training}
models = {
    "gru": GRUForecaster(1, 26, **small, **roles),
    "gru, sizes": GRUForecaster(1, 26, past=["size", "market"], **small, **roles),
    "logistic, sizes": Forecaster(LogisticRegression(C=0.01), 1, 4, past=["size", "market"], **roles),
}
fridays = moves["2018":].index[:-1]
result = tsseq.backtest(models, frame, fridays)
result.scores[["accuracy", "balanced_accuracy", "log_loss", "skill"]].round(3)

# %% [markdown]
# Skill is the log loss saved against the frequencies. The differences are small; are they luck? Stocks move together, so
# the losses of a Friday count as one. A difference below 0 is better.

# %%
result.compare(alternative="less").round(4)

# %%
result.compare("markov", alternative="less").round(4)

# %% [markdown]
# ## What was it that they knew?
#
# A regime has two parts: does it move at all, and where to? The log loss is the sum of both.


# %%
def parts(forecasts: pd.DataFrame) -> pd.Series:
    """Log loss of whether it moves, and of where to."""
    moves = (forecasts["actual"] != "flat").to_numpy()
    chance = np.where(moves, 1 - forecasts["p_flat"], forecasts["p_flat"])
    where = np.where(forecasts["actual"] == "up", forecasts["p_up"], forecasts["p_down"]) / (1 - forecasts["p_flat"])
    return pd.Series({"whether": -np.log(chance).mean(), "where to": -np.where(moves, np.log(where), 0).mean()})


probable = result.forecasts[result.forecasts["model"] != "last_value"]
probable.groupby("model", observed=True)[["actual", "p_down", "p_flat", "p_up"]].apply(parts).round(4)

# %%
table = result.forecasts[result.forecasts["model"] == "gru, sizes"]
moved = table[table["actual"] != "flat"]
up = moved["actual"] == "up"
called = moved["p_up"] > moved["p_down"]
quarter = pd.qcut(table["p_flat"], 4, labels=["lowest", "low", "high", "highest"])
pd.DataFrame(
    {
        "flat by forecast": table.groupby(quarter, observed=True)["p_flat"].mean(),
        "flat in fact": (table["actual"] == "flat").groupby(quarter, observed=True).mean(),
    }
).rename_axis("chance of a flat week").round(2)

# %%
print(
    f"of the weeks that moved, {up.mean():.1%} went up; the network has the direction of {(up == called).mean():.1%} right"
)

# %% [markdown]
# The verdict: the models know how calm the market is, and nothing of where it goes. The chance of a flat week is right to
# the percent, and that is where the log loss is saved; for the direction, calling every week "up" would have been no
# worse. Nobody should trade on this.
#
# ## Sets
#
# Conformal calibration on a hundred Fridays turns probabilities into a set of regimes for every week that holds what comes
# in 80 of 100.

# %%
sets = ConformalForecaster(models["logistic, sizes"], n_calibration=100, refit=False)
calibrated = tsseq.backtest({"sets": sets}, frame, fridays, levels=[0.8])
print(calibrated.scores.loc["sets", ["coverage", "set_size"]].round(3).to_dict())
rows = calibrated.forecasts[calibrated.forecasts["model"] == "sets"]
inside = rows.filter(like="set0.8_").astype(bool)
text = inside.apply(lambda row: ", ".join(name.removeprefix("set0.8_") for name in row.index[row]), axis=1)
text.value_counts(normalize=True).round(2)

# %% [markdown]
# A third of the sets hold everything, another third says "it will move", without saying where.

# %% [markdown]
# ## The next weeks
#
# The bands show what was, and behind the line how probable each regime is in each of the next four weeks.

# %%
weeks = MultiOutputClassifier(LogisticRegression(C=0.01))
ahead = Forecaster(weeks, 4, 4, past=["size", "market"], **roles).fit(frame.loc[(slice(None), slice("2010", None)), :])
ax = ahead.plot(frame.loc[["AAPL", "JNJ", "XOM"]], last=16)
