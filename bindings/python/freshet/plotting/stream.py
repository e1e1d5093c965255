"""A stream and the verdicts on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from freshet.plotting._panels import (
    ANOMALY,
    COLD,
    SERIES,
    add_legend,
    label_times,
    new_panels,
    plot_scores_and_versions,
    plot_values,
    shade,
    trim,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["StreamPicture", "draw_stream"]


@dataclass(frozen=True)
class StreamPicture:
    """What :func:`draw_stream` shows.

    Attributes
    ----------
    timestamps : array of datetime64 or of numbers, shape (n,)
        The horizontal axis.
    values : ndarray of float64, shape (n,)
        The series.
    scores : ndarray of float64, shape (n,)
        NaN in cold start.
    is_anomaly : ndarray of bool, shape (n,)
        The rows above the threshold.
    threshold : float
        Drawn into the score's panel.
    model_versions : ndarray of int, shape (n,)
        The model that scored each row, 0 in cold start.
    windows : sequence of (begin, end)
        Labelled anomalies, in the units of `timestamps`.
    alarms : sequence of (begin, end, is_true)
        Runs of anomalous rows, and whether each touches a labelled window.
    notes : sequence of (moment, text)
        Short texts above the series.
    feature : ndarray of float64, shape (n,), optional
        What the detector looks at, in a panel of its own; NaN where there is none.
    title, value_label, feature_label : str
        Text.
    """

    timestamps: npt.NDArray[Any]
    values: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    is_anomaly: npt.NDArray[np.bool_]
    threshold: float
    model_versions: npt.NDArray[np.int64]
    windows: Sequence[tuple[Any, Any]] = ()
    alarms: Sequence[tuple[Any, Any, bool]] = ()
    notes: Sequence[tuple[Any, str]] = field(default=())
    feature: npt.NDArray[np.float64] | None = None
    title: str = ""
    value_label: str = "value"
    feature_label: str = "feature"


def draw_stream(picture: StreamPicture) -> Figure:
    """Draw a series, the feature that matters (if given) and the score, one above the other.

    Above: the series, labelled windows hatched, anomalous rows as crosses, alarms as triangles
    along the top (filled where they touch a labelled window, hollow where they do not). Below: the
    score with its threshold, and along the bottom a tick for every model version. Grey: cold start.

    Returns
    -------
    matplotlib.figure.Figure
        Not registered with ``pyplot``; save it with ``figure.savefig(path)``.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    """
    drawers = [_draw_series, _draw_score]
    heights = [3.0, 2.0]
    if picture.feature is not None:
        drawers.insert(1, _draw_feature)
        heights.insert(1, 1.6)
    figure, panels = new_panels(heights, picture.title)
    for draw, axes in zip(drawers, panels, strict=True):
        draw(axes, picture)
        shade(axes, picture.timestamps, picture.scores, picture.windows)
    trim(panels)
    label_times(panels[-1], picture.timestamps)
    add_legend(figure, panels)
    return figure


def _draw_series(axes: Axes, picture: StreamPicture) -> None:
    values = picture.values
    plot_values(axes, picture.timestamps, values, picture.is_anomaly, picture.value_label)
    low, high = float(np.min(values)), float(np.max(values))
    span = (high - low) or 1.0
    top = high + 0.10 * span
    for is_true, name in ((True, "alarm in a labelled window"), (False, "alarm outside (false)")):
        begins = [begin for begin, _, inside in picture.alarms if inside == is_true]
        axes.plot(
            begins, [top] * len(begins), "v", color=ANOMALY, markersize=8, linestyle="none",
            markerfacecolor=ANOMALY if is_true else "white", markeredgewidth=1.3, label=name,
        )  # fmt: skip
    for moment, text in picture.notes:
        axes.annotate(
            text, (moment, top), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=8
        )
    axes.set_ylim(low - 0.03 * span, top + 0.14 * span)
    axes.set_ylabel(picture.value_label)
    axes.yaxis.set_major_formatter("{x:,.0f}" if high >= 1000 else "{x:g}")


def _draw_feature(axes: Axes, picture: StreamPicture) -> None:
    axes.axhline(0.0, color=COLD, linewidth=0.8)
    if picture.feature is not None:
        axes.plot(picture.timestamps, picture.feature, color=SERIES, linewidth=0.8)
    axes.set_ylabel(picture.feature_label)


def _draw_score(axes: Axes, picture: StreamPicture) -> None:
    plot_scores_and_versions(
        axes,
        picture.timestamps,
        picture.scores,
        picture.is_anomaly,
        picture.threshold,
        picture.model_versions,
    )
