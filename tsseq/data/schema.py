"""Which column plays which role, and whether a frame has them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import pandas as pd

from tsseq.errors import ConfigError, DataError

Names: TypeAlias = Hashable | Sequence[Hashable] | None

CALENDAR = "calendar"


@dataclass(frozen=True)
class Schema:
    """Roles of columns; the order within a role is the order of the channels.

    Attributes
    ----------
    target : tuple of hashable
        What is forecast; empty until `resolve` has seen a frame.
    past : tuple of hashable
        Covariates known up to the origin.
    known : tuple of hashable
        Covariates known through the horizon.
    static : tuple of hashable
        Covariates with one value per series.
    id_column, time_column : hashable or None
        The columns of a long frame that hold the series id and the timestamp.
    calendar : tuple of str
        Known covariates that are computed from the timestamps; set when a panel is made, where ``known`` has the name
        "calendar" and the frame has no such column.
    weight : hashable or None
        The column that says what a row counts in training; it is no covariate, and may be missing elsewhere.

    Examples
    --------
    >>> Schema.of("close", past=["open", "volume"]).covariates
    ('open', 'volume')
    """

    target: tuple[Hashable, ...] = ()
    past: tuple[Hashable, ...] = ()
    known: tuple[Hashable, ...] = ()
    static: tuple[Hashable, ...] = ()
    id_column: Hashable | None = None
    time_column: Hashable | None = None
    calendar: tuple[Hashable, ...] = ()
    weight: Hashable | None = None

    @classmethod
    def of(
        cls,
        target: Names = None,
        past: Names = None,
        known: Names = None,
        static: Names = None,
        id_column: Hashable | None = None,
        time_column: Hashable | None = None,
        weight: Hashable | None = None,
    ) -> Schema:
        """Build a schema from what a user writes: a name, several names, or None.

        Parameters
        ----------
        target : hashable or sequence of hashable, optional
            What is forecast; default: left to `resolve`.
        past : hashable or sequence of hashable, optional
            Covariates known up to the origin; default: none.
        known : hashable or sequence of hashable, optional
            Covariates known through the horizon; default: none.
        static : hashable or sequence of hashable, optional
            Covariates with one value per series; default: none.
        id_column, time_column : hashable, optional
            The columns of a long frame that hold the series id and the timestamp.
        weight : hashable, optional
            The column that says what a row counts in training; default: all count alike.

        Returns
        -------
        Schema
            Not resolved: columns have not been looked up in a frame.

        Raises
        ------
        ConfigError
            A column plays two roles, or a name is not hashable.
        """
        roles = _names(target), _names(past), _names(known), _names(static)
        schema = cls(*roles, id_column, time_column, weight=weight)
        names = [*schema.dynamic, *schema.static, *([] if weight is None else [weight])]
        repeated = sorted({str(name) for name in names if names.count(name) > 1})
        if repeated:
            problem = f"{', '.join(repeated)}: a column plays one role"
            raise ConfigError(f"{problem}. Name it as target, past, known, static or weight.")
        return schema

    @property
    def covariates(self) -> tuple[Hashable, ...]:
        """Names of the covariates that change over time: past, known, and those of the calendar."""
        return self.past + self.known + self.calendar

    @property
    def measured(self) -> tuple[Hashable, ...]:
        """Names of the columns of a frame that change over time: all but those of the calendar."""
        return self.target + self.past + self.known

    @property
    def dynamic(self) -> tuple[Hashable, ...]:
        """Names of all columns that change over time, in the order of the channels."""
        return self.target + self.covariates

    def resolve(self, columns: pd.Index) -> Schema:
        """Fill in a target that was left out, and make sure that every named column is there.

        Where "calendar" is no column, it stands for covariates that are still to be computed.

        Parameters
        ----------
        columns : Index
            Names of the columns of a frame.

        Returns
        -------
        Schema
            With a target: if none was named, the only column without a role, or else "y".

        Raises
        ------
        ConfigError
            No target was named, and the columns do not settle it.
        DataError
            A named column is missing.
        """
        known, calendar = self.known, self.calendar
        if CALENDAR in known and CALENDAR not in columns:
            known, calendar = tuple(name for name in known if name != CALENDAR), (CALENDAR,)
        schema = replace(self, target=self.target or self._only_target(columns), known=known, calendar=calendar)
        missing = [name for name in (*schema.measured, *self.static) if name not in columns]
        if missing:
            raise DataError(f"column {listed(missing)} is not in the frame; it has {listed(columns)}.")
        return schema

    def _only_target(self, columns: pd.Index) -> tuple[Hashable, ...]:
        free = [name for name in columns if name not in (*self.covariates, *self.static, self.weight)]
        if len(free) == 1 or "y" in free:
            return (free[0] if len(free) == 1 else "y",)
        tickers = "If each is a series of its own, say so: frame.rename_axis(columns='ticker')."
        raise ConfigError(f"say which column to forecast with target=...; the frame has {listed(columns)}. {tickers}")


def _names(names: Names) -> tuple[Hashable, ...]:
    if names is None:
        return ()
    if isinstance(names, (list, tuple, pd.Index)):
        unhashable = [name for name in names if not isinstance(name, Hashable)]
        if unhashable:
            raise ConfigError(f"a list of column names was needed; {unhashable[0]!r} is not a name.")
        return tuple(names)
    if isinstance(names, Hashable):
        return (names,)
    raise ConfigError(f"a column name or a list of names was needed, not {names!r}.")


def listed(names: Iterable[Hashable], most: int = 8) -> str:
    """Names for a message, the first ``most`` of them."""
    shown = [repr(name) for name in names]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
