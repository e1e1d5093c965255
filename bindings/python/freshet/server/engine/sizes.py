"""How much memory a stream takes, told before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["stream_bytes"]

#: Of a value of the window, which has room for a quarter more rows.
_WINDOW: Final = 10
#: Of a value of each rolling window, and of what a lag remembers.
_ROLLING: Final = 32
_LAG: Final = 8
_STATISTICS: Final = 4
#: Columns that become one with a flag for each category.
_ONE_HOT: Final = 17


def stream_bytes(settings: Mapping[str, Any], n_columns: int) -> dict[str, int]:
    """Return about how many bytes the window and the features of a stream take from the beginning.

    Parameters
    ----------
    settings : mapping
        As `DetectorPool.add` takes them; what is not given counts as nothing.
    n_columns : int
        Cells of a row.

    Returns
    -------
    dict of str to int
        By the setting that makes it so much.
    """
    windows, lags = settings.get("rolling_windows") or (), settings.get("lag_periods") or ()
    schema = settings.get("schema") or {}
    n_columns += (_ONE_HOT - 1) * sum(encoding == "onehot" for encoding in schema.values())
    n_features = n_columns * (1 + _STATISTICS * len(windows) + len(lags))
    return {
        "window_size": _WINDOW * settings.get("window_size", 0) * n_features,
        "rolling_windows": _ROLLING * n_columns * sum(windows),
        "lag_periods": _LAG * n_columns * max(lags, default=0),
    }
