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
# # Hourly energy with weather
#
# The load of a small town, a day ahead, with the forecast of the temperature. The data are made up here: a pattern of
# the day and of the week, and heating that begins below 15 degrees.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

import tsseq
from tsseq import Forecaster, GRUForecaster, Quantiles, Training

rng = np.random.default_rng(1)
hours = pd.date_range("2022-01-01", "2023-12-31 23:00", freq="h", name="hour")
day, week = hours.hour.to_numpy(), hours.day_of_week.to_numpy()


def smooth_noise(scale: float, memory: float) -> np.ndarray:
    noise = rng.normal(0, scale * np.sqrt(1 - memory**2), len(hours))
    return pd.Series(noise).ewm(alpha=1 - memory, adjust=False).mean().to_numpy() / (1 - memory)


temperature = 10 - 9 * np.cos(2 * np.pi * hours.day_of_year / 365) + 4 * np.sin(2 * np.pi * (day - 9) / 24)
temperature = temperature.to_numpy() + smooth_noise(4.0, 0.98)
activity = 1 + 0.35 * np.sin(np.pi * np.clip(day - 6, 0, 16) / 16) - 0.12 * (week >= 5)
load = 40 * activity + 1.1 * np.clip(15 - temperature, 0, None) + smooth_noise(1.0, 0.9)
weather = temperature + smooth_noise(1.0, 0.95)  # what was forecast the day before
frame = pd.DataFrame({"load": load, "temperature": temperature, "weather": weather}, hours)
frame.tail(3).round(1)

# %%
fig, axes = plt.subplots(2, 1, figsize=(8, 4), sharex=True)
frame.loc["2023-11", "load"].plot(ax=axes[0], color="#333333", lw=1, ylabel="load, MW")
frame.loc["2023-11", "temperature"].plot(ax=axes[1], color="#cc6677", lw=1, ylabel="temperature, °C")
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlabel("")

# %% [markdown]
# ## Which temperature is known?
#
# Not the measured one: tomorrow's is not known today. A backtest that is given it forecasts with a perfect weather
# service. What is known is the forecast of the weather, and the history has to be made of those forecasts, too.

# %%
options = {"target": "load"}
models = {
    "no weather": Forecaster(Ridge(), 24, 48, known="calendar", **options),
    "weather forecast": Forecaster(Ridge(), 24, 48, known=["calendar", "weather"], **options),
    "measured (cheats)": Forecaster(Ridge(), 24, 48, known=["calendar", "temperature"], **options),
    "gru": GRUForecaster(
        24,
        48,
        known=["calendar", "weather"],
        head=Quantiles([0.05, 0.25, 0.75, 0.95]),
        training=Training(max_epochs=6, stride=2, verbose=False),
        **options,
    ),
}
result = tsseq.backtest(models, frame, n_cutoffs=35, stride=24, levels=[0.05, 0.95])
result.scores[["MAE", "RMSE", "skill", "coverage"]].round(3)

# %% [markdown]
# The value a day ago is what a model has to beat, not the last one. Heating is not a straight line in temperature, so that
# a network has something to learn beyond ridge.

# %%
ax = result.plot("MAE")

# %% [markdown]
# Is the network better than ridge with the same weather, by more than luck?

# %%
result.compare("weather forecast", alternative="less").round(3)

# %% [markdown]
# ## Tomorrow
#
# The rows to come have a weather forecast and no load. Here it is mild; then the same at ten degrees less.

# %%
model = models["gru"].fit(frame)
mild = model.make_future_frame().assign(weather=8.0)
tomorrow = model.predict(levels=[0.05, 0.25, 0.75, 0.95], future=mild)
cold = model.predict(future=mild.assign(weather=-2.0))
ax = tsseq.plot_forecast(frame["load"], {"mild": tomorrow, "ten degrees colder": cold}, last=72)

# %%
pd.DataFrame({"8 °C": tomorrow["load"], "-2 °C": cold["load"]}).agg(["mean", "max"]).round(1)

# %% [markdown]
# In these data ten degrees cost 11 MW; the network says 9. A leap of the temperature within an hour is not among the rows
# that it was fitted on, and what was never seen is forecast badly.
