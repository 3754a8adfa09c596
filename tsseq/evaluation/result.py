"""The result of a backtest: forecasts beside actual values, scores, and tests between models."""

from __future__ import annotations

import html
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from tsseq.arguments import check_value
from tsseq.data.panel import Panel
from tsseq.data.tidy import NAIVE, YARDSTICKS, tidy_columns
from tsseq.errors import ConfigError, DataError
from tsseq.evaluation.scores import FREQUENCIES, AlignedForecasts, MetricSums, ScoreTable, key_columns, score_table
from tsseq.evaluation.significance import SIGNIFICANT, Alternative, diebold_mariano, model_confidence_set, spa_test
from tsseq.evaluation.too_good import too_good
from tsseq.metrics import LEAST_CHANCE
from tsseq.plotting.scores import plot_by_step
from tsseq.resampling.bootstrap import block_length, percentiles, resampled
from tsseq.resampling.trials import Trials

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Loss = Literal["absolute", "squared", "log"]
_THREE_DIGITS = "{:.3f}".format
_TEXT: Any = {"float_format": "{:.4g}".format, "na_rep": "", "formatters": {"skill": _THREE_DIGITS, "p": _THREE_DIGITS}}
_MORE = "skill: 1 - {0} / {0} of {1}; p: that luck alone looks this good."


@dataclass(frozen=True, repr=False)
class BacktestResult:
    """Forecasts of several models at the same cutoffs, as `tsseq.backtest` returns them.

    Printed, it says who beats the last value, and shows the scores that tell most.

    Attributes
    ----------
    forecasts : DataFrame
        Columns ``model, [id,] cutoff, time, step, target, actual, forecast`` and a quantile ``q<level>`` per level; id
        and time bear the names of the frame. ``actual`` is NaN where the frame ends before. Of categories, there is a
        probability ``p_<category>`` of each, and with levels ``set<level>_<category>``: whether it is in the set.
    fits : DataFrame
        One row per fit: ``model``, ``first_cutoff`` and ``n_cutoffs`` that it served, ``fitted_until`` (the last row
        seen in fitting, missing if that is unknown), and whether it was ``fitted`` "before" the backtest, "here",
        "updated" here, or "elsewhere", which nothing here can date.
    mase_scale : Series
        Mean absolute seasonal change per (id, target) up to the first cutoff: the unit of MASE.
    horizon : int
        Rows ahead.
    stride : int
        Rows between cutoffs.
    rmsse_scale : Series, optional
        Mean squared seasonal change per (id, target), likewise: the unit of RMSSE. Default: none, RMSSE is NaN.
    explained : DataFrame, optional
        Shares of the squared changes that the "past", or it and what is "known", explain in hindsight; index (target,
        step) for the first and the last step. Default: none, and no score is suspicious.
    hints : tuple of str
        What covariates know of the next changes and should not, and targets made of later rows. Default: nothing.

    Examples
    --------
    >>> import tsseq
    >>> from sklearn.linear_model import Ridge
    >>> from tsseq import Forecaster
    >>> air = tsseq.load_sample("airline")
    >>> result = tsseq.backtest({"ridge": Forecaster(Ridge(), 3, 24, log=True)}, air, n_cutoffs=8)
    >>> result.scores[["MAE", "MASE", "skill"]].round(2)
                      MAE  MASE  skill
    model
    last_value      52.12  1.82   0.00
    drift           53.34  1.87  -0.02
    mean            62.13  2.17  -0.19
    seasonal_naive  47.58  1.67   0.09
    ridge           11.68  0.41   0.78
    >>> result.by("step")["MAE"].unstack("model")["ridge"].round(1).tolist()
    [9.1, 9.0, 16.9]
    >>> result.trials.count
    1
    >>> result.compare(alternative="less").loc["ridge"].round(3).to_dict()
    {'difference': -1.416, 'statistic': -4.518, 'p_value': 0.001}
    """

    forecasts: pd.DataFrame
    fits: pd.DataFrame
    mase_scale: pd.Series[float]
    horizon: int
    stride: int
    rmsse_scale: pd.Series[float] | None = None
    explained: pd.DataFrame | None = None
    hints: tuple[str, ...] = ()

    def __repr__(self) -> str:
        verdict, table = self._overview
        return verdict if table is None else f"{verdict}\n{table.to_string(**_TEXT)}\n{self._more}"

    def _repr_html_(self) -> str:
        verdict, table = self._overview
        shown = "" if table is None else f"{table.to_html(**_TEXT)}<p>{self._more}</p>"
        return f"<p>{html.escape(verdict)}</p>{shown}"

    @property
    def _more(self) -> str:
        return _MORE.format("log loss" if self._aligned.n_classes else "MAE", self.benchmark)

    @property
    def _overview(self) -> tuple[str, pd.DataFrame | None]:
        """Who beats the naive forecast, in a sentence, and the scores that tell most."""
        cutoffs = self.forecasts["cutoff"].drop_duplicates().sort_values()
        first, last = cutoffs.iloc[[0, -1]].astype(str)
        size = f"{len(cutoffs)} cutoffs, {first} to {last}; {self.horizon} rows ahead."
        try:
            scores = self.scores
        except DataError as error:
            return f"{size} {error}", None
        p_values = pd.Series(np.nan, scores.index)
        with suppress(DataError, ConfigError):  # too few cutoffs, or no last value
            p_values = self.compare(alternative="less")["p_value"].reindex(scores.index)
        tested = p_values[~p_values.index.isin(NAIVE)].dropna()
        better = list(map(str, tested.index[tested < SIGNIFICANT]))
        verdict = (
            f"{', '.join(better) or 'No model'} {'beat' if len(better) > 1 else 'beats'} {YARDSTICKS[self.benchmark]}"
        )
        verdict = verdict if len(tested) else "Too few cutoffs for a test"
        if better and self.suspicions():
            verdict += ", which is too good to be true: see suspicions()"
        shown = ("MAE", "RMSE", "MASE", "pinball", "log_loss", "accuracy", "coverage", "set_size")
        columns = [name for name in shown if name in scores]
        table = pd.DataFrame({"skill": scores["skill"], "p": p_values}).join(scores[columns])
        return f"{verdict}.\n{size}{self._cut_short}", table.sort_values("skill", ascending=False, kind="stable")

    @property
    def _cut_short(self) -> str:
        """A line about cutoffs after which too few rows are known; "" without such."""
        n_cutoffs = self.forecasts["cutoff"].nunique()
        known = self.forecasts.loc[self.forecasts["actual"].notna(), ["cutoff", "step"]].drop_duplicates()
        n_short = n_cutoffs - int((known["cutoff"].value_counts() == self.horizon).sum())
        if not n_short:
            return ""
        rows = "no known row" if self.horizon == 1 else f"fewer than {self.horizon} known rows"
        return f"\n{n_short} of {n_cutoffs} cutoffs {'has' if n_short == 1 else 'have'} {rows}."

    @property
    def keys(self) -> list[Hashable]:
        """Columns that tell forecasts of one model apart: the id (if there is one), cutoff, step and target."""
        return list(key_columns(tidy_columns(self.forecasts)).values())[:-1]

    @property
    def benchmark(self) -> str:
        """The naive forecast that skill and tests compare with: "frequencies" of categories, else "last_value"."""
        return FREQUENCIES if self._aligned.n_classes else NAIVE[0]

    @property
    def overlap(self) -> int:
        """Neighbouring cutoffs whose forecasts reach the same rows."""
        return -(-self.horizon // self.stride)

    @property
    def trials(self) -> Trials:
        """Ledger of the models that were tried, naive ones left out; to be joined with those of rules and settings.

        It counts them, and knows no returns: what a model earns depends on the rule that trades its forecasts. With
        ``sweep(result.forecasts, prices, {"model": [...], ...})`` each model is a trial with returns.
        """
        return Trials(int((~self.forecasts["model"].drop_duplicates().isin(NAIVE)).sum()))

    @property
    def scores(self) -> pd.DataFrame:
        """Metrics of every model over the forecasts that all models have; naive ones first.

        Columns are skill, MAE, RMSE, MASE and sMAPE; with quantiles, the mean pinball loss over their levels and the
        coverage of the widest band; RMSSE; U2 and R2; the share of directions that were right, and the p-value of
        `tsseq.evaluation.significance.direction_test`; with quantiles, also CRPS, the Winkler score of the widest band
        with equal tails, and the pinball loss per level. Each is the function of `tsseq.metrics`; skill, U2 and R2
        are against the last value.

        Of categories: accuracy, balanced accuracy, log loss (of a probability of at least 2.2e-16), Brier score, the
        skill ``1 - log loss / log loss of the frequencies``, and the mean of the categories' F1; as scikit-learn has
        them. With sets of them, the share of what came that the set of the highest level holds, and its mean size.

        Errors are pooled: MAE, RMSE, skill, U2 and R2 of a panel weigh large series most, MASE and RMSSE do not.
        """
        table = score_table(self._aligned, self.overlap)
        return ScoreTable(table.set_axis(pd.Index(self._aligned.models, name="model")))

    def suspicions(self) -> tuple[str, ...]:
        """Tell what is too good to be true: look for the future in the data before believing it.

        For a target that is like a price, one whose past explains at most a twentieth of its squared changes, no honest
        forecast has the direction right in more than 65 % of 100 moves or more, errors more than 20 % below those of
        the last value, or in a panel an information coefficient above 0.1 and what the past explains; each by more
        than luck explains (p below 0.001). A target named like a price does not follow from its own past, unless it was
        smoothed; covariates do not know its next change. And a regressor that was trained elsewhere may have seen what
        it forecasts.
        Where nothing is suspicious, the data may still hold the future: `tsseq.audit` with ``prepare=`` looks for it.

        Returns
        -------
        tuple of str
            A sentence for each finding; empty if there is none.

        Raises
        ------
        DataError
            No actual value is known.
        """
        sentences = [] if self.explained is None else too_good(self._aligned, self.explained, self.stride)
        elsewhere = self.fits[self.fits["fitted"] == "elsewhere"].drop_duplicates("model")
        for name, until in zip(elsewhere["model"], elsewhere["fitted_until"]):
            seen = "nobody here knows on which rows" if pd.isna(until) else f"on rows up to {until}"
            sentences.append(f"{name} was trained elsewhere, {seen}; it may have seen what it forecasts.")
        return (*sentences, *self.hints)

    def by(self, column: Hashable) -> pd.DataFrame:
        """Compute the scores for every value of a column.

        Parameters
        ----------
        column : hashable
            "step", "cutoff", "target", "id" or "time"; the latter two also by the names that they have in the frame.

        Returns
        -------
        DataFrame
            The columns of `scores`; the index has the levels (column, "model").

        Raises
        ------
        ConfigError
            There is no such column.
        """
        roles = key_columns(tidy_columns(self.forecasts))
        role = next((role for role, name in roles.items() if column in (role, name)), None)
        if role is None:
            names = ", ".join(map(repr, dict.fromkeys([*roles.values(), *roles])))
            raise ConfigError(f"by({column!r}) must be one of {names}.")
        groups, values = pd.factorize(self._aligned.keys[role], sort=True)
        values = values.astype(object) if isinstance(values, pd.CategoricalIndex) else values
        index = pd.MultiIndex.from_product([values, self._aligned.models], names=[roles[role], "model"])
        return score_table(self._aligned, self.overlap, groups).set_axis(index)

    def plot(self, metric: str = "skill") -> Axes:
        """Draw a score by step: a line per model, naive ones grey and dashed.

        The axis ends before models that are so much worse than most that they would flatten the others; a note names
        them.

        Parameters
        ----------
        metric : str
            A column of `scores`. Default: "skill".

        Returns
        -------
        matplotlib.axes.Axes
            Nothing is shown or saved; ``axes.figure.savefig(path)`` writes a PNG.

        Raises
        ------
        ConfigError
            There is no such column.
        """
        table = self.by("step")
        if metric not in table:
            raise ConfigError(f"metric={metric!r} must be one of {', '.join(map(repr, table))}.")
        kind = self._aligned.metrics.get(metric)
        better, percent = (kind.higher_is_better, kind.percent) if kind else (None, False)
        models = table[metric].unstack("model")[self._aligned.models]
        return plot_by_step(models, metric, higher_is_better=better, percent=percent)

    def intervals(
        self,
        metric: str | None = None,
        level: float = 0.95,
        *,
        n_samples: int = 1000,
        block: int | None = None,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Confidence intervals of a score, by a block bootstrap over cutoffs.

        All series and steps of a cutoff are drawn together, and neighbouring cutoffs in blocks, so that forecasts that
        depend on one another count as one. All models share their draws. With few cutoffs, intervals are too narrow.

        Parameters
        ----------
        metric : str, optional
            A column of `scores` other than ``direction_p``. Default: "MAE"; of categories "log_loss".
        level : float
            Share of the draws between the ends, in 0..1. Default: 0.95.
        n_samples : int
            Bootstrap samples. Default: 1000.
        block : int, optional
            Cutoffs in a block. Default: the cube root of their number times the square of how many overlap.
        seed : int
            Seed of the draws. Default: 0.

        Returns
        -------
        DataFrame
            Index model; columns ``<metric>, lower, upper``.

        Raises
        ------
        ConfigError
            There is no such metric, or another argument is out of range.
        """
        if not 0 < level < 1:
            raise ConfigError(f"level={level} must lie between 0 and 1.")
        check_value("n_samples", n_samples)
        aligned = self._aligned
        groups, cutoffs = pd.factorize(aligned.keys["cutoff"], sort=True)
        n = len(cutoffs)
        block = block_length(n, self.overlap) if block is None else block
        check_value("block", block)
        metrics = aligned.metrics
        if metric is None:
            metric = "log_loss" if aligned.n_classes else "MAE"
        if metric not in metrics:
            raise ConfigError(f"metric={metric!r} must be one of {', '.join(metrics)}.")
        chosen = {metric: metrics[metric]}
        sums = MetricSums.of(aligned, chosen.values(), groups)
        point = sums.weighted(np.ones((1, n))).metrics(chosen, aligned.naive)[metric][:, 0]
        draws = sums.weighted(resampled(n, min(block, n), n_samples, seed)).metrics(chosen, aligned.naive)[metric]
        low, high = percentiles(draws, level)
        return pd.DataFrame({metric: point, "lower": low, "upper": high}, pd.Index(aligned.models, name="model"))

    def compare(
        self, benchmark: str | None = None, loss: Loss | None = None, alternative: Alternative = "two-sided"
    ) -> pd.DataFrame:
        """Diebold-Mariano test of every model against a benchmark.

        Losses are first averaged over ids, steps and targets for each cutoff, in units of each series' naive error, so
        that neither dependence between series nor overlap within a forecast counts as evidence; overlap between
        cutoffs enters the variance, as in `tsseq.evaluation.significance.diebold_mariano`.

        Parameters
        ----------
        benchmark : str, optional
            Name of a model. Default: "last_value"; of categories "frequencies".
        loss : {"absolute", "squared", "log"}, optional
            What an error costs. Default: "absolute"; of categories "log", the log loss, to which there is no other.
        alternative : {"two-sided", "less", "greater"}
            "less" tests whether a model's loss is smaller than the benchmark's. Default: "two-sided".

        Returns
        -------
        DataFrame
            Index model; columns ``difference`` (below 0 is better than the benchmark), ``statistic``, ``p_value``.

        Raises
        ------
        ConfigError
            The benchmark or the loss is unknown.
        DataError
            There are no more cutoffs than overlap.
        """
        benchmark = benchmark or self.benchmark
        losses = self._losses(loss, benchmark)
        return self._tested(losses, losses[benchmark], alternative)

    def clark_west(self, benchmark: str = "last_value") -> pd.DataFrame:
        """Clark-West test of every model against a benchmark that it nests, such as the random walk.

        It tests whether the model has found something, where `compare` tests whether it forecasts better: parameters
        that are 0 in truth cost accuracy (see `tsseq.evaluation.significance.clark_west`). Losses are averaged as in
        `compare`; the test is one-sided.

        Parameters
        ----------
        benchmark : str
            Name of a model. Default: "last_value".

        Returns
        -------
        DataFrame
            Index model; columns ``difference`` of the adjusted squared errors, ``statistic``, ``p_value``.

        Raises
        ------
        ConfigError
            The benchmark is unknown, or the forecasts are of categories.
        DataError
            There are no more cutoffs than overlap.
        """
        if self._aligned.n_classes:
            raise ConfigError("clark_west() is for forecasts of numbers; compare() tests those of categories.")
        losses = self._losses("squared", benchmark)
        return self._tested(self._losses("squared", benchmark, nested=True), losses[benchmark], "less")

    def model_confidence_set(
        self, size: float = 0.1, loss: Loss | None = None, *, n_samples: int = 1000, seed: int = 0
    ) -> pd.DataFrame:
        """Model confidence set: the models among which the best one is, with probability ``1 - size``.

        Source: Hansen, Lunde and Nason, Econometrica 79, 2011. Losses are averaged as in `compare`, and drawn in
        blocks of cutoffs as in `intervals`. It needs ``pip install tsseq[arch]``.

        Parameters
        ----------
        size : float
            Probability that the best model is left out, in 0..1. Default: 0.1.
        loss : {"absolute", "squared", "log"}, optional
            What an error costs. Default: "absolute"; of categories "log".
        n_samples : int
            Bootstrap samples. Default: 1000.
        seed : int
            Seed of the draws. Default: 0.

        Returns
        -------
        DataFrame
            Index model, the likeliest first; columns ``p_value`` and ``included``.

        Raises
        ------
        ConfigError
            The loss is unknown, or the library arch is not installed.
        DataError
            There are no more cutoffs than overlap.
        """
        losses = self._losses(loss)
        return model_confidence_set(losses, size, block_length(len(losses), self.overlap), n_samples, seed)

    def spa_test(
        self, benchmark: str | None = None, loss: Loss | None = None, *, n_samples: int = 1000, seed: int = 0
    ) -> pd.Series[float]:
        """Test of superior predictive ability: whether the best of all models is better than a benchmark.

        It allows for the search among many (Hansen, Journal of Business and Economic Statistics 23, 2005). Losses are
        averaged as in `compare`, and drawn in blocks of cutoffs as in `intervals`. It needs ``pip install
        tsseq[arch]``.

        Parameters
        ----------
        benchmark : str, optional
            Name of a model. Default: "last_value"; of categories "frequencies".
        loss : {"absolute", "squared", "log"}, optional
            What an error costs. Default: "absolute"; of categories "log", the log loss, to which there is no other.
        n_samples : int
            Bootstrap samples. Default: 1000.
        seed : int
            Seed of the draws. Default: 0.

        Returns
        -------
        Series
            P-values "lower", "consistent" (the one to quote) and "upper".

        Raises
        ------
        ConfigError
            The benchmark or the loss is unknown, or the library arch is not installed.
        DataError
            There are no more cutoffs than overlap.
        """
        benchmark = benchmark or self.benchmark
        losses = self._losses(loss, benchmark)
        return spa_test(losses, benchmark, block_length(len(losses), self.overlap), n_samples, seed)

    def common(self) -> pd.DataFrame:
        """Select the forecasts of values that are known and that every model has forecast.

        Returns
        -------
        DataFrame
            Rows of ``forecasts``.

        Raises
        ------
        DataError
            No actual value is known.
        """
        known = self.forecasts[self.forecasts["actual"].notna()]
        if known.empty:
            why = "what happened after the cutoffs is not in the frame"
            raise DataError(f"no forecast has a known actual value: {why}.")
        n_models = self.forecasts["model"].nunique()
        return known[known.groupby(self.keys, observed=True)["forecast"].transform("count") == n_models]

    @cached_property
    def _aligned(self) -> AlignedForecasts:
        if self.forecasts["actual"].isna().all():
            self.common()  # raises
        return AlignedForecasts.of(self.forecasts, self.mase_scale, self.rmsse_scale)

    def _losses(self, loss: str | None, benchmark: str | None = None, nested: bool = False) -> pd.DataFrame:
        """Mean loss per cutoff and model, in units of each series; ``nested`` as Clark and West adjust it."""
        losses = ("log",) if self._aligned.n_classes else ("absolute", "squared")
        loss = losses[0] if loss is None else loss
        if loss not in losses:
            raise ConfigError(f"loss={loss!r} must be {' or '.join(map(repr, losses))}.")
        models, inputs = self._aligned.models, self._aligned.inputs
        if benchmark is not None and benchmark not in models:
            raise ConfigError(f"benchmark={benchmark!r} is not in the backtest; it has {', '.join(models)}.")
        if benchmark == NAIVE[0] and loss == "log":
            raise ConfigError("the last value has no probabilities to compare with; use 'frequencies' or 'markov'.")
        groups, cutoffs = pd.factorize(self._aligned.keys["cutoff"], sort=True)
        if len(cutoffs) <= self.overlap:
            few = f"{len(cutoffs)} cutoffs are too few to compare"
            raise DataError(f"{few}: forecasts overlap over {self.overlap} of them.")
        if loss == "log":
            errors = -np.log(np.maximum(inputs["chance"], LEAST_CHANCE))  # (M, n)
            models = [name for name, row in zip(models, errors) if np.isfinite(row).all()]
            errors = errors[np.isfinite(errors).all(axis=1)]
            scale = np.ones(errors.shape[1])
        else:
            forecast, scale = inputs["forecast"], inputs["mase_scale"]
            errors = np.abs(inputs["actual"] - forecast) / scale
            errors = errors if loss == "absolute" else errors**2
            if nested and benchmark is not None:
                errors = errors - ((forecast - forecast[models.index(benchmark)]) / scale) ** 2
        scaled = np.isfinite(scale)
        sums = [np.bincount(groups[scaled], row[scaled], len(cutoffs)) for row in errors]
        with np.errstate(invalid="ignore"):
            means = np.column_stack(sums) / np.bincount(groups[scaled], minlength=len(cutoffs))[:, None]
        return pd.DataFrame(means, pd.Index(cutoffs, name="cutoff"), models)

    def _tested(self, losses: pd.DataFrame, benchmark: pd.Series[float], alternative: Alternative) -> pd.DataFrame:
        """A row per model but the benchmark."""
        losses = losses.drop(columns=benchmark.name)
        tests = {name: diebold_mariano(losses[name], benchmark, self.overlap, alternative)._asdict() for name in losses}
        return pd.DataFrame(tests).T.rename_axis("model")


def naive_scales(panel: Panel, season_length: int, until: Any) -> pd.DataFrame:
    """Mean seasonal changes of every series and target, the units of MASE and RMSSE.

    Parameters
    ----------
    panel : Panel
        The history.
    season_length : int
        Rows in a season.
    until : timestamp
        Rows dated up to it, itself included, are read.

    Returns
    -------
    DataFrame
        Columns "absolute" and "squared" (mean change to that power), index (id, target); NaN where nothing changes.

    Examples
    --------
    >>> from tsseq.data.schema import Schema
    >>> panel = Panel.from_frame(pd.Series([1.0, 2.0, 4.0, 9.0], name="y"), Schema.of("y"))
    >>> naive_scales(panel, season_length=1, until=2).iloc[0].to_dict()
    {'absolute': 1.5, 'squared': 2.5}
    """
    n_targets, series = panel.n_targets, panel.series_of_row
    known = np.asarray(panel.times <= until)[season_length:]
    rows = np.flatnonzero(known & (series[season_length:] == series[:-season_length]))
    change = panel.values[rows + season_length, :n_targets] - panel.values[rows, :n_targets]  # (n, targets)
    scales = {}
    for name, size in (("absolute", np.abs(change)), ("squared", change**2)):
        observed = np.isfinite(size)
        sums, counts = (
            np.column_stack([np.bincount(series[rows], block[:, k], len(panel)) for k in range(n_targets)])
            for block in (np.where(observed, size, 0.0), observed)
        )
        scales[name] = np.where(sums > 0, sums / np.maximum(counts, 1), np.nan).ravel()
    keys = [panel.ids.repeat(n_targets), np.tile(np.array(panel.schema.target, dtype=object), len(panel))]
    return pd.DataFrame(scales, pd.MultiIndex.from_arrays(keys))
