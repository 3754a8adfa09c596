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
# # Spare parts: counts with many zeros
#
# Weekly demand of forty parts, most of it zero. What is asked for is not a mean but a stock: how many to keep, so that
# seldom one is missing. The data are made up here.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import tsseq
from tsseq import GRUForecaster, NegativeBinomial, Point, Poisson, Training

rng = np.random.default_rng(2)
weeks = pd.date_range("2020-01-05", periods=200, freq="W", name="week")
parts = {}
for k in range(40):
    mean = rng.gamma(1.0, 1.2) * (1 + 0.5 * np.sin(2 * np.pi * np.arange(200) / 52 + rng.uniform(0, 6)))
    parts[f"part {k:02d}"] = rng.negative_binomial(0.8, 0.8 / (0.8 + mean)).astype(float)
table = pd.DataFrame(parts, weeks)
demand = table.T.stack().rename_axis(["part", "week"]).to_frame("demand")
print(f"{(demand['demand'] == 0).mean():.0%} of the weeks have no demand")

# %%
fig, axes = plt.subplots(3, 1, figsize=(8, 4), sharex=True)
for ax, part in zip(axes, ["part 03", "part 10", "part 20"]):
    ax.bar(weeks, table[part], width=5, color="#333333")
    ax.set_ylabel(part)
    ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## Three heads
#
# A head says what is forecast. The default is the median, which is 0 for most parts: right in most weeks, and of no use for
# a stock. `Poisson` takes the variance for the mean, `NegativeBinomial` lets it be larger.

# %%
training = Training(max_epochs=4, verbose=False)
heads = {"median": Point(), "poisson": Poisson(), "negative binomial": NegativeBinomial()}
models = {name: GRUForecaster(4, 52, head=head, training=training) for name, head in heads.items()}
grid = [0.05, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99]
result = tsseq.backtest(models, demand, n_cutoffs=10, stride=4, levels=grid)
result.scores[["MAE", "RMSE", "skill", "pinball"]].round(3)

# %% [markdown]
# By absolute error the median is best: it is hard to beat a forecast near zero. By squared error it is not; the
# distributions are level with the mean of the past, and say what the mean does not: the quantiles. Those of the negative
# binomial are better than those of Poisson (`pinball`). A score has to be chosen with the decision in mind.

# %%
forecasts = result.forecasts
chosen = forecasts[forecasts["model"].isin(["poisson", "negative binomial"])]
levels = pd.DataFrame({f"below {q}": chosen["actual"] <= chosen[f"q{q}"].round() for q in (0.05, 0.5, 0.95)})
levels.groupby(chosen["model"], observed=True).mean().round(3)

# %% [markdown]
# Demand should be at most the 0.95 quantile in at least 95 % of the weeks, which it is with one of the two. (Of whole
# numbers the shares may be larger than their levels, since the quantile itself counts.)
#
# ## From a quantile to a stock
#
# For every level: how much stock lies on the shelf on average, and which part of the demand it serves.

# %%
curves = {}
for name in ("poisson", "negative binomial"):
    rows = forecasts[forecasts["model"] == name]
    stock = rows[[f"q{level}" for level in grid[1:]]].round()
    served = stock.clip(upper=rows["actual"], axis=0).sum() / rows["actual"].sum()
    curves[name] = pd.DataFrame({"stock": stock.mean(), "served": served})

fig, ax = plt.subplots(figsize=(6, 4))
for (name, curve), color in zip(curves.items(), ["#cc6677", "#4477aa"]):
    ax.plot(curve["stock"], 100 * curve["served"], "o-", color=color, label=name)
last = forecasts.query("model == 'last_value'")
served = 100 * last["forecast"].clip(upper=last["actual"]).sum() / last["actual"].sum()
ax.plot(last["forecast"].mean(), served, "kx", label="as much as last time")
ax.set_xlabel("parts in stock, mean per week")
ax.set_ylabel("demand served, %")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %%
pd.concat(curves, axis=1).loc[["q0.9", "q0.95", "q0.99"]].round(2)

# %% [markdown]
# Both lie on one curve, so that either could serve any share. But what Poisson calls a level of 0.99 serves 85 % of the
# demand: it takes the scatter for smaller than it is.
#
# ## The next month
#
# Whole paths add up over weeks, which quantiles do not: how many of a part in four weeks, at most, nine times in ten?

# %%
model = models["negative binomial"].fit(demand)
paths = model.sample(n_paths=300, seed=0)
total = paths.loc["part 10"].sum()
print(f"part 10: {total.quantile(0.9):.0f} in four weeks, {total.mean():.1f} on average")
