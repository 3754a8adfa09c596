"""Checks that try to catch a forecaster or its data looking ahead, or forecasting nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsseq.data.panel import Frame
from tsseq.evaluation.checks import FINDING_CHECKS, LEAK_CHECKS
from tsseq.evaluation.checks.case import Case, Verdict
from tsseq.evaluation.preparation import Prepare
from tsseq.forecasting.base import BaseForecaster, check_size


def audit(
    forecaster: BaseForecaster,
    frame: Frame,
    n_cutoffs: int = 5,
    seed: int = 0,
    *,
    prepare: Prepare | None = None,
) -> pd.DataFrame:
    """Try to catch a forecaster or its data looking ahead, or forecasting nothing.

    A clone is fitted on the rows up to a first cutoff, after two thirds of the timestamps. Then the future is poisoned,
    the past rescaled, returns shuffled and seeds changed. That takes 3 fits, and 2 more for a model with a seed.

    Checks of kind "leak", which an honest forecaster passes:

    - "future at a cutoff": rows after a cutoff are replaced by NaN, by 1e30 and by noise; no bit of a forecast made at
      it may change. Known covariates are replaced after the horizon.
    - "future between cutoffs": the same with noise, in one call for all cutoffs, for those before the noise.
    - "future in fit": the same for a forecaster fitted on the rows up to the first cutoff, with noise after it in the
      frame.
    - "future in prepare": the raw frame is cut off at a cutoff, and poisoned after it, and ``prepare`` run anew; no
      value that it makes of the rows up to the cutoff may change, nor a known covariate of the horizon. A function
      that fails on a frame that is cut would have failed on that day; where it only fails on poison, that is said.
      Values carried forward over a halt pass: that it ends, and so has rows, is all that they know of the future.
    - "rescaled history": a 2:1 split that comes later halves all prices known today; forecasts have to halve. Promised
      with ``log=True`` only. Without it, a difference is reported and neither passed nor failed.
    - "shuffled returns": fitted on a frame whose changes are in random order, the model may not beat the last value
      with a p-value below 0.01 (Diebold and Mariano); luck does so in one of a hundred audits.

    Checks of kind "finding", which tell what the forecasts are worth:

    - "copy of the last value": forecasts one row ahead differ from it by less than 0.1 of the mean absolute change.
    - "lags the last change": forecasts move as the last value did (correlation above 0.95), and are not better than it
      with a p-value below 0.05.
    - "spread over seeds": the deviation over three seeds is more than half of the mean absolute change.
    - "fit depends on its data": a regressor that was fitted on the shuffled returns forecasts the same bits. It is a
      fixed rule or was trained elsewhere, and what it has seen is unknown. One that says so by an attribute
      ``pretrained_until`` (a timestamp, or None for a rule) is excepted, unless that is after the first cutoff.
    - "covariates know the next change": a past covariate correlates with the next change, or that over the horizon, by
      more than 0.3 beyond what the target's own past explains; by more than 0.5 where that is over a twentieth, since
      what is no price can be led. Known covariates may well explain it: they are only named, unless they nearly
      determine what is like a price (above 0.8).
    - "too good to be true": forecasts are better than prices allow, as `BacktestResult.suspicions` tells.

    What the audit cannot see: what was in the frame before it was handed over, such as a feature that holds the future
    (without ``prepare`` only the findings hint at it); series left out because they failed; figures that were restated
    later; a model trained elsewhere on these very years that a fit still changes. So passing is no proof.

    Parameters
    ----------
    forecaster : BaseForecaster
        Any forecaster of frames; it is not changed, and a fit of it is not used.
    frame : Series or DataFrame
        The whole history, in any shape that ``fit`` takes; it is not changed. With ``prepare`` the raw one, which need
        not have the columns of the model.
    n_cutoffs : int
        Cutoffs at which the future is poisoned; the findings rest on up to 250 of them in a row. Default: 5.
    seed : int
        Seed of the shuffle, and of models whose own seed is None. Default: 0.
    prepare : callable, optional
        Makes the frame that the model is fitted on of a raw one: scales, smooths, adds features. It may leave out rows,
        but not move timestamps. It runs four times per cutoff, and a few times more. Default: the frame as it is.

    Returns
    -------
    DataFrame
        One row per check: ``check, kind, passed, value, meaning``; ``passed`` is missing where a check does not apply.

    Raises
    ------
    ConfigError
        It is not a forecaster of frames, or one of categories, or ``n_cutoffs`` is below 1.
    NotEnoughHistory
        The frame leaves no room for the cutoffs after a first fit.

    Examples
    --------
    >>> from tsseq import Forecaster, LastValue, load_sample
    >>> table = audit(Forecaster(LastValue(), 3, 24, log=True), load_sample("airline"))
    >>> table.set_index("check")["passed"]
    check
    future at a cutoff                 True
    future between cutoffs             True
    future in fit                      True
    future in prepare                  <NA>
    rescaled history                   True
    shuffled returns                   True
    copy of the last value            False
    lags the last change              False
    spread over seeds                  <NA>
    fit depends on its data            <NA>
    covariates know the next change    <NA>
    too good to be true                <NA>
    Name: passed, dtype: boolean
    """
    check_size("n_cutoffs", n_cutoffs)
    case = Case.of(forecaster, frame, n_cutoffs, seed, prepare)
    rows = []
    for name, check in (LEAK_CHECKS | FINDING_CHECKS).items():
        kind = "leak" if name in LEAK_CHECKS else "finding"
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # of forecasts that begin at poison
                verdict = check(case)
        except (ValueError, ArithmeticError) as error:  # without the changes, the same forecasts came out
            passed = False if name.startswith("future") else None
            verdict = Verdict(passed, np.nan, f"an error, which the frame as it is does not cause: {error}")
        rows.append({"check": name, "kind": kind, **verdict._asdict()})
    return pd.DataFrame(rows).astype({"passed": "boolean", "value": float})
