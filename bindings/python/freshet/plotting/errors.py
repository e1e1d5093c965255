"""A series and the errors of its windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from freshet.plotting._panels import (
    add_legend,
    column_heights,
    label_columns,
    label_times,
    new_panels,
    plot_columns,
    plot_scores,
    shade,
    trim,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from matplotlib.figure import Figure

__all__ = ["ErrorPicture", "draw_errors"]


@dataclass(frozen=True)
class ErrorPicture:
    """What :func:`draw_errors` shows.

    Attributes
    ----------
    timestamps : array of datetime64 or of numbers, shape (n,)
        The horizontal axis.
    columns : sequence of str
        The names of the columns; the first eight are drawn.
    values : ndarray of float64, shape (n, len(columns))
        The series.
    errors : ndarray of float64, shape (n,)
        Of the window that ends at each row; NaN before the first full one.
    is_anomaly : ndarray of bool, shape (n,)
        The rows above the threshold.
    threshold : float
        Drawn into the errors' panel.
    windows : sequence of (begin, end)
        Labelled anomalies; drawn where `timestamps` are dates.
    title : str
        Text.
    """

    timestamps: npt.NDArray[Any]
    columns: Sequence[str]
    values: npt.NDArray[np.float64]
    errors: npt.NDArray[np.float64]
    is_anomaly: npt.NDArray[np.bool_]
    threshold: float
    windows: Sequence[tuple[Any, Any]] = ()
    title: str = ""


def draw_errors(picture: ErrorPicture, score_label: str = "error") -> Figure:
    """Draw every column of a series and, below, the errors of its windows.

    Labelled windows are hatched, rows above the threshold are crosses, and what comes before the
    first full window is grey.

    Parameters
    ----------
    picture : ErrorPicture
    score_label : str, default "error"
        What the lowest panel shows.

    Returns
    -------
    matplotlib.figure.Figure
        Not registered with ``pyplot``; save it with ``figure.savefig(path)``.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    """
    times, rows = picture.timestamps, picture.is_anomaly
    columns, more = label_columns(picture.columns)
    figure, panels = new_panels([*column_heights(len(columns)), 2.0], picture.title + more)
    windows = picture.windows if np.issubdtype(times.dtype, np.datetime64) else ()
    plot_columns(panels, times, columns, picture.values, rows)
    plot_scores(panels[-1], times, picture.errors, rows, picture.threshold)
    panels[-1].set_ylabel(score_label)
    panels[-1].set_ylim(bottom=0.0)
    for axes in panels:
        shade(axes, times, picture.errors, windows, "warm-up (not scored)")
    trim(panels)
    label_times(panels[-1], times)
    add_legend(figure, panels)
    return figure
