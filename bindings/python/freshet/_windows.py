"""Windows and series, from what users have to what the compiled module reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from freshet._rows import Floats, as_matrix
from freshet.errors import ConfigurationError, DataError

__all__ = ["as_windows", "checked_names", "default_names"]


def as_windows(
    X: Any, window: int, names: list[str] | None, *, n_columns: int | None = None
) -> tuple[Floats, bool]:
    """Rows in C order, and whether they are a series rather than flattened windows.

    Three dimensions, or two whose width is a multiple of `window`, are windows; whatever has column
    names is a series. With `n_columns`, those of a trained model, only windows are accepted.

    Raises
    ------
    DataError
        If the shape fits neither; says which would.
    """
    values = np.ascontiguousarray(as_matrix(X, names))
    if values.ndim == 3 and values.shape[1] == window:
        fits = n_columns is None or values.shape[2] == n_columns
        if fits:
            return values.reshape(len(values), window * values.shape[2]), False
    elif values.ndim == 2:
        if n_columns is not None:
            if values.shape[1] == window * n_columns:
                return values, False
        else:
            is_windows = names is None and values.shape[1] > 0 and values.shape[1] % window == 0
            return values, not is_windows
    width = "n_columns" if n_columns is None else str(n_columns)
    flat = f"{window} * n_columns" if n_columns is None else str(window * n_columns)
    expected = f"windows of shape (n, {window}, {width}) or (n, {flat}), or a series (n, {width})"
    raise DataError(
        f"the shape is {values.shape}: expected {expected}",
        id="width_mismatch",
        field="X",
        expected=expected,
    )


def default_names(n_columns: int) -> list[str]:
    """What columns without names are called."""
    return [f"f{i}" for i in range(n_columns)]


def checked_names(names: Sequence[str], n_columns: int) -> list[str]:
    """`names` if they are one for each column and differ from each other.

    Raises
    ------
    ConfigurationError
        Otherwise.
    """
    given = list(names)
    are_names = all(isinstance(name, str) for name in given)
    if are_names and len(given) == n_columns and len(set(given)) == n_columns:
        return given
    expected = f"{n_columns} names that differ from each other"
    raise ConfigurationError(
        f"column_names are {given!r}: expected {expected}",
        id="parameter_out_of_range",
        field="column_names",
        expected=expected,
    )
