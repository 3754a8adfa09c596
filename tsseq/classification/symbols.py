"""Sequences of symbols: reading them in their shapes, the vocabulary, and codes in the place of symbols."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsseq.errors import DataError
from tsseq.typing import Array

Symbols: TypeAlias = list[Any]  # texts or whole numbers; None is a missing one


def holds_symbols(X: Any, integers: bool) -> bool:
    """Whether X is to be read as sequences of symbols.

    Parameters
    ----------
    X : object
        What may be sequences.
    integers : bool
        Whether numbers are symbols as well.

    Returns
    -------
    bool
        True if there is text in it.

    Examples
    --------
    >>> holds_symbols(["abba", "b"], False), holds_symbols([["up", "down"]], False), holds_symbols([[1, 2]], False)
    (True, True, False)
    """
    if integers:
        return True
    members = members_of(X)
    if not isinstance(members, (list, tuple, np.ndarray)) or _is_numeric(members):
        return False
    return any(isinstance(member, str) or _holds_text(member) for member in members)


def members_of(X: Any) -> Any:
    """The sequences in X, which in a frame are its rows."""
    return X.to_numpy() if isinstance(X, (pd.DataFrame, pd.Series)) else X


def _is_numeric(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind in "biufcmM"


def _holds_text(member: Any) -> bool:
    if not isinstance(member, (list, tuple, np.ndarray, pd.Series)) or _is_numeric(member) or np.ndim(member) == 0:
        return False
    return any(isinstance(symbol, str) for symbol in member)


def read_symbols(X: Any, name: str = "X", least: int = 1) -> list[Symbols]:
    """Sequences of symbols as lists; the symbols of a text are its letters.

    Parameters
    ----------
    X : sequence of str, or sequence of sequences of str or int
        None and NaN are missing symbols.
    name : str, default "X"
        What the sequences are called in errors.
    least : int, default 1
        Fewest symbols that a sequence may have.

    Returns
    -------
    list of list
        The symbols, all of them str or all of them int, or None.

    Raises
    ------
    DataError
        There is no sequence, one is too short, or some symbols are neither text nor whole numbers, or both occur.

    Examples
    --------
    >>> read_symbols(["ab", ["up", None]])
    [['a', 'b'], ['up', None]]
    """
    sequences = [_read_sequence(member, name, i) for i, member in enumerate(members_of(X))]
    if not sequences:
        raise DataError(f"{name} has no sequences; at least one was needed.")
    for i, sequence in enumerate(sequences):
        if len(sequence) < least:
            raise DataError(f"sequence {i} of {name} is empty; leave it out, or give it a symbol of its own.")
    kinds = {type(symbol) for sequence in sequences for symbol in sequence if symbol is not None}
    if len(kinds) > 1:
        raise DataError(f"{name} holds text and numbers; symbols should be all of one kind.")
    return sequences


def _read_sequence(member: Any, name: str, i: int) -> Symbols:
    if isinstance(member, str):
        return list(member)
    if not isinstance(member, (list, tuple, np.ndarray, pd.Series)) or np.ndim(member) == 0:
        raise DataError(f"sequence {i} of {name} is {member!r}; a text or a list of symbols was needed.")
    return [_read_symbol(symbol, name, i) for symbol in member]


def _read_symbol(symbol: Any, name: str, i: int) -> Any:
    if isinstance(symbol, str):
        return str(symbol)
    if symbol is None or symbol is pd.NA or symbol != symbol:
        return None
    if isinstance(symbol, (int, float, np.number)) and not isinstance(symbol, bool) and symbol == np.floor(symbol):
        return int(symbol)
    raise DataError(f"sequence {i} of {name} has {symbol!r} among its symbols; these are texts or whole numbers.")


def learn_vocabulary(sequences: Iterable[Symbols], min_count: int = 1) -> tuple[NDArray[Any], int]:
    """The symbols that have a code of their own.

    Parameters
    ----------
    sequences : iterable of list
        Symbols, as `read_symbols` gives them.
    min_count : int, default 1
        How often a symbol must occur; rarer ones share one code.

    Returns
    -------
    vocabulary : ndarray of shape (n_symbols,)
        Sorted: texts as objects, or int64.
    n_codes : int
        ``n_symbols``, or one more if there are rare ones.

    Raises
    ------
    DataError
        No symbol occurs often enough.

    Examples
    --------
    >>> learn_vocabulary([["b", "a", "b"], ["c", "a"]], min_count=2)
    (array(['a', 'b'], dtype=object), 3)
    """
    counts = Counter(chain.from_iterable(sequences))
    counts.pop(None, None)
    symbols = sorted(symbol for symbol, count in counts.items() if count >= min_count)
    if not symbols:
        most = max(counts.values(), default=0)
        raise DataError(f"no symbol occurs min_count={min_count} times; the most frequent one occurs {most} times.")
    return as_vocabulary(symbols), len(symbols) + (len(symbols) < len(counts))


def as_vocabulary(symbols: Sequence[Any]) -> NDArray[Any]:
    """Symbols as an array: texts as objects, or int64."""
    vocabulary = np.empty(len(symbols), dtype=object if isinstance(symbols[0], str) else np.int64)
    vocabulary[:] = symbols
    return vocabulary


def encode_symbols(sequences: Iterable[Symbols], vocabulary: NDArray[Any], n_codes: int) -> list[Array]:
    """Codes of symbols: 1 for the first of the vocabulary, 0 or the last code for one that is not in it.

    Parameters
    ----------
    sequences : iterable of list
        Symbols, as `read_symbols` gives them.
    vocabulary : ndarray of shape (n_symbols,)
        Sorted symbols.
    n_codes : int
        Codes above 0; unknown symbols have the last one if it is that of the rare ones, else 0.

    Returns
    -------
    list of ndarray of shape (time, 1)
        Codes, NaN for a missing symbol.

    Raises
    ------
    DataError
        The symbols are numbers and those of the vocabulary are texts, or the other way round.

    Examples
    --------
    >>> encode_symbols([["b", "?", None]], np.array(["a", "b"], dtype=object), 2)[0].ravel()
    array([ 2.,  0., nan])
    """
    symbols = vocabulary.tolist()
    codes = {symbol: float(code) for code, symbol in enumerate(symbols, 1)} | {None: np.nan}
    unknown = 0.0 if n_codes == len(symbols) else float(n_codes)
    arrays = []
    for i, sequence in enumerate(sequences):
        numbers = [codes.get(symbol, unknown) for symbol in sequence]
        strange = next((symbol for symbol in sequence if symbol not in (None, "")), symbols[0])
        if type(strange) is not type(symbols[0]):
            raise DataError(
                f"sequence {i} of X has {strange!r} among its symbols; in fit they were like {symbols[0]!r}."
            )
        arrays.append(np.array(numbers, dtype=np.float64)[:, None])
    return arrays
