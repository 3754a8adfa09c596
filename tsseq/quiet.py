"""Other libraries without their warnings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast


@contextmanager
def no_warnings(module: str) -> Iterator[None]:
    """Within it, modules whose names match warn of nothing; afterwards just this filter is gone.

    `warnings.catch_warnings` puts back what it found, and so leaves the filters of one thread to another.
    """
    warnings.filterwarnings("ignore", module=module)
    filters: list[Any] = warnings.filters  # type: ignore[assignment]
    entry = filters[0]
    try:
        yield
    finally:
        # another thread may have entered or left `catch_warnings`
        for place in (filters, cast(list[Any], warnings.filters)):
            with suppress(ValueError):
                place.remove(entry)
