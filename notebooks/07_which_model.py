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
# # Which model when
#
# Seven situations and the same models in each: two naive forecasts, a ridge regression on the context, a GRU, and an
# encoder-decoder with attention. The models have their defaults, but for three epochs in place of ten, and attention over
# single rows. Nothing was chosen by its result, and all seeds are 0. Five series are made up here, so that it is known
# what there is to find; the airline and the S&P 500 are samples that ship with tsseq.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

import tsseq
from tsseq import Forecaster, GRUForecaster, NegativeBinomial, Seq2SeqForecaster, Training, load_sample

training = Training(max_epochs=3, verbose=False)


def models(horizon: int, context: int, **options) -> dict:
    """The same three in every situation."""
    return {
        "ridge": Forecaster(Ridge(), horizon, context, **options),
        "gru": GRUForecaster(horizon, context, training=training, **options),
        "attention": Seq2SeqForecaster(horizon, context, segment_length=None, training=training, **options),
    }


# %%
def hourly(values: np.ndarray) -> pd.Series:
    return pd.Series(values, pd.date_range("2024-01-01", periods=len(values), freq="h", name="time"), name="y")


def regular_season() -> pd.Series:
    """The same day again and again, and noise."""
    hours = np.arange(720)
    day = 10 * np.sin(2 * np.pi * hours / 24) + 5 * np.cos(2 * np.pi * hours / 12)
    return hourly(50 + day + np.random.default_rng(0).normal(0, 2, 720))


def smooth_curve() -> pd.Series:
    """The equation of Mackey and Glass (1977): no noise, no season, and what follows is not a line in what was."""
    x = [1.2] * 18
    for _ in range(6 * 1000):
        x.append(0.9 * x[-1] + 0.2 * x[-18] / (1 + x[-18] ** 10))
    return hourly(np.array(x[::6]))


def shops() -> pd.DataFrame:
    """Forty shops; what a campaign does is another thing in each, and says nothing about the others."""
    random, days = np.random.default_rng(0), pd.date_range("2024-01-01", periods=160, name="day")
    frames = {}
    for shop in range(40):
        campaign = (random.random(160) < 0.25).astype(float)
        sales = 30 + random.normal(0, 6) * campaign + random.normal(0, 1.5, 160)
        frames[f"shop {shop}"] = pd.DataFrame({"y": sales, "campaign": campaign}, days)
    return pd.concat(frames, names=["shop"])


def recipes() -> pd.DataFrame:
    """A machine that runs one of four recipes an hour; the level of each drifts, and shows when it runs again."""
    random = np.random.default_rng(0)
    kinds, level = random.integers(0, 4, 1600), random.normal(0, 3, 4)
    values = np.empty(1600)
    for i, kind in enumerate(kinds):
        level[kind] = 0.95 * level[kind] + random.normal(0, 1.5)
        values[i] = level[kind] + random.normal(0, 0.3)
    return hourly(values).to_frame().assign(recipe=pd.Categorical(np.array(list("abcd"))[kinds]))


def spare_parts() -> pd.DataFrame:
    """Thirty parts of which most are not asked for in most weeks."""
    random, weeks = np.random.default_rng(0), pd.date_range("2021-01-03", periods=150, freq="W", name="week")
    mean = random.gamma(1.0, 1.2, 30)[:, None] * (1 + 0.5 * np.sin(2 * np.pi * np.arange(150) / 52))
    counts = random.negative_binomial(0.8, 0.8 / (0.8 + mean)).astype(float)
    return pd.DataFrame(counts.T, weeks).rename_axis("part", axis=1).T.stack().to_frame("y")


# %%
airline, closes = load_sample("airline"), load_sample("sp500")["close"].iloc[-1200:]
situations = {  # rows, horizon, context, options
    "little data: airline, 144 months": (airline, 6, 24, {}),
    "a regular season": (regular_season(), 6, 24, {}),
    "a smooth curve": (smooth_curve(), 6, 24, {}),
    "forty shops": (shops(), 4, 14, {"target": "y", "known": ["campaign"]}),
    "recipes that come back": (recipes(), 4, 24, {"target": "y", "known": ["recipe"]}),
    "spare parts": (spare_parts(), 4, 24, {}),
    "prices: S&P 500": (closes, 5, 24, {"calendar": "XNYS"}),
}
counting = {"count head": GRUForecaster(4, 24, head=NegativeBinomial(), training=training)}
results = {}
for name, (rows, horizon, context, options) in situations.items():
    candidates = models(horizon, context, **options) | (counting if name == "spare parts" else {})
    results[name] = tsseq.backtest(candidates, rows, n_cutoffs=15)
skill = pd.DataFrame({name: result.scores["skill"] for name, result in results.items()}).T
skill = skill[["last_value", "mean", "seasonal_naive", "ridge", "gru", "attention"]]
skill.round(2)

# %% [markdown]
# Skill is the share of the last value's absolute error that a model saves: 0 is as good as the last value, 1 is perfect.
# Each is scored at 15 cutoffs after the rows that it was fitted on.

# %%
fig, ax = plt.subplots(figsize=(8.5, 4))
image = ax.imshow(skill.fillna(0), cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
for i, row in enumerate(skill.to_numpy()):
    for j, value in enumerate(row):
        strong = abs(value) > 0.6
        weight = "bold" if round(value, 2) == round(np.nanmax(row), 2) else "normal"
        words = "" if np.isnan(value) else f"{value:.2f}".replace("-", "\u2212")
        ax.text(j, i, words, ha="center", va="center", color="white" if strong else "black", weight=weight)
ax.set_xticks(range(skill.shape[1]), [name.replace("_", "\n") for name in skill])
ax.set_yticks(range(len(skill)), skill.index)
ax.tick_params(length=0)
ax.spines[:].set_visible(False)
fig.colorbar(image, label="skill", shrink=0.8).outline.set_visible(False)
fig.tight_layout()

# %% [markdown]
# The best of a row are bold; it is blank where there is no season.
#
# - **Little data.** Some hundred windows: ridge has one number per row of the context, and networks have thousands. Even
#   a season ago is better than attention.
# - **A regular season.** All three find it, to the second digit, and a season ago is worse only because it repeats its
#   noise. Where models tie, take the simplest.
# - **A smooth curve.** What follows is not a line in what was, and there is no noise to hide it: networks are better than
#   ridge, as they should be.
# - **Forty shops.** What a campaign does has to be learnt for each shop. A network gives every series a vector of its own
#   from 100 windows each, and here are 80: the GRU is no better than ridge, which knows no shops either. Attention is:
#   it can look up what was sold in this shop when a campaign ran last.
# - **Recipes that come back.** The same, in its purest form: tomorrow's recipe last ran some rows ago, and nobody knows
#   how many. Attention finds the row by what it says, not by where it stands. A line cannot, and a GRU that reads its
#   context in one segment does not.
# - **Spare parts.** By absolute error, who forecasts too little wins: see below.
# - **Prices.** Nothing. What looks like a gain of ridge is the luck of 15 weeks: its p-value says so.

# %%
results["prices: S&P 500"].compare("last_value").round(2)

# %% [markdown]
# ## Counts need another head, and another score
#
# Most weeks have little demand, so the median is low, and the absolute error likes it. Whoever orders by such a forecast
# has too little: compare the means of what was forecast and what came. A head for counts forecasts the mean, and a
# distribution around it.

# %%
forecasts = results["spare parts"].forecasts.groupby("model")
sums = {"forecast": forecasts["forecast"].mean(), "actual": forecasts["actual"].mean()}
results["spare parts"].scores[["MAE", "RMSE"]].assign(**sums).round(2)

# %% [markdown]
# By squared error and by the mean, it beats both networks without that head, and loses by absolute error. The mean of the
# past and ridge are as good, here where there is hardly anything to learn: a reason for the head is the distribution
# (the notebook on spare parts).
#
# ## In one sentence each
#
# Begin with ridge and a backtest. Take a network for many windows of something that is not a line; attention over single
# rows where the answer is somewhere in the context and its place changes; a head that suits where values are counts; and
# nothing where the last value is level with everything.
