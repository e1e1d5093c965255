"""Pictures of what a detector saw. Needs Matplotlib: ``pip install 'freshet[plot]'``.

Figures are made without ``pyplot``, so nothing global changes and no display is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ErrorPicture", "StreamPicture", "draw_errors", "draw_stream"]

# Okabe and Ito's palette, which colour-blind readers can tell apart; every element differs by
# shape, hatching or text too.
_SERIES: Final = "#3a3a3a"
_SCORE: Final = "#0072b2"
_ANOMALY: Final = "#d55e00"
_LABEL: Final = "#009e73"
_COLD: Final = "#8c8c8c"

_MAX_COLUMNS: Final = 8
"""Panels of more columns would leave no room for any."""


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
    figure, panels = _panels(heights, picture.title)
    for draw, axes in zip(drawers, panels, strict=True):
        draw(axes, picture)
        _shade(axes, picture.timestamps, picture.scores, picture.windows)
    _finish(figure, panels, picture.timestamps)
    return figure


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
    columns = picture.columns[:_MAX_COLUMNS]
    n_left = len(picture.columns) - len(columns)
    more = f" ({n_left} more columns not drawn)" if n_left else ""
    heights = [3.0 if len(columns) == 1 else 1.6] * len(columns)
    figure, panels = _panels([*heights, 2.0], picture.title + more)
    is_dated = np.issubdtype(times.dtype, np.datetime64)
    windows = picture.windows if is_dated else ()
    for axes, name, values in zip(panels, columns, picture.values.T, strict=False):
        # One name for all of them in the legend, as each panel says which it is.
        label = name if len(columns) == 1 else "series"
        _plot_values(axes, times, values, rows, label, size=3.0)
        axes.set_ylabel(name)
        axes.yaxis.set_major_formatter("{x:,.0f}" if np.max(values) >= 1000 else "{x:g}")
    _plot_scores(panels[-1], times, picture.errors, rows, picture.threshold)
    panels[-1].set_ylabel(score_label)
    panels[-1].set_ylim(bottom=0.0)
    if not is_dated:
        panels[-1].set_xlabel("row" if times.dtype.kind == "i" else "timestamp")
    for axes in panels:
        _shade(axes, times, picture.errors, windows, "warm-up (not scored)")
    _finish(figure, panels, times)
    return figure


def _panels(heights: Sequence[float], title: str) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14.0, 1.2 + 1.3 * sum(heights)), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    if title:
        figure.suptitle(title, fontsize=13, x=0.01, ha="left", fontweight="bold")
    return figure, list(panels)


def _finish(figure: Figure, panels: Sequence[Axes], times: npt.NDArray[Any]) -> None:
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.01)
    if np.issubdtype(times.dtype, np.datetime64):
        _label_dates(panels[-1])
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside lower left", ncols=len(handles), frameon=False, fontsize=9
    )


def _draw_series(axes: Axes, picture: StreamPicture) -> None:
    values = picture.values
    _plot_values(axes, picture.timestamps, values, picture.is_anomaly, picture.value_label)
    low, high = float(np.min(values)), float(np.max(values))
    span = (high - low) or 1.0
    top = high + 0.10 * span
    for is_true, name in ((True, "alarm in a labelled window"), (False, "alarm outside (false)")):
        begins = [begin for begin, _, inside in picture.alarms if inside == is_true]
        axes.plot(
            begins, [top] * len(begins), "v", color=_ANOMALY, markersize=8, linestyle="none",
            markerfacecolor=_ANOMALY if is_true else "white", markeredgewidth=1.3, label=name,
        )  # fmt: skip
    for moment, text in picture.notes:
        axes.annotate(
            text, (moment, top), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=8
        )
    axes.set_ylim(low - 0.03 * span, top + 0.14 * span)
    axes.set_ylabel(picture.value_label)
    axes.yaxis.set_major_formatter("{x:,.0f}" if high >= 1000 else "{x:g}")


def _plot_values(
    axes: Axes, times: Any, values: Any, rows: Any, label: str, size: float = 4.0
) -> None:
    axes.plot(times, values, color=_SERIES, linewidth=0.6, label=label)
    axes.plot(
        times[rows], values[rows], "x", color=_ANOMALY, markersize=size, markeredgewidth=size / 4,
        label="anomalous row",
    )  # fmt: skip


def _draw_feature(axes: Axes, picture: StreamPicture) -> None:
    axes.axhline(0.0, color=_COLD, linewidth=0.8)
    if picture.feature is not None:
        axes.plot(picture.timestamps, picture.feature, color=_SERIES, linewidth=0.8)
    axes.set_ylabel(picture.feature_label)


def _draw_score(axes: Axes, picture: StreamPicture) -> None:
    scores = picture.scores
    _plot_scores(axes, picture.timestamps, scores, picture.is_anomaly, picture.threshold)
    finite = scores[np.isfinite(scores)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    low, high = min(low, picture.threshold), max(high, picture.threshold)
    span = (high - low) or 1.0
    axes.set_ylim(low - 0.25 * span, high + 0.08 * span)
    axes.set_ylabel("score")
    _mark_versions(axes, picture, low - 0.16 * span)


def _plot_scores(axes: Axes, times: Any, scores: Any, rows: Any, threshold: float) -> None:
    axes.plot(times, scores, color=_SCORE, linewidth=0.7)
    axes.plot(times[rows], scores[rows], "x", color=_ANOMALY, markersize=3, markeredgewidth=0.8)
    axes.axhline(threshold, color="black", linewidth=1.0, linestyle="--")
    axes.annotate(
        f"threshold {threshold:g}", (0.0, threshold),
        xycoords=("axes fraction", "data"), xytext=(4, 3), textcoords="offset points", fontsize=8,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.0},
    )  # fmt: skip


def _mark_versions(axes: Axes, picture: StreamPicture, height: float) -> None:
    """Put a tick where each model took over, with every so many named."""
    changes = np.flatnonzero(np.diff(picture.model_versions, prepend=0) > 0)
    if not changes.size:
        return
    axes.plot(
        picture.timestamps[changes], np.full(changes.size, height), "|", color=_SCORE,
        markersize=9, markeredgewidth=1.4,
    )  # fmt: skip
    step = max(1, -(-changes.size // 30))
    for i in changes[::step]:
        axes.annotate(
            f"v{picture.model_versions[i]}", (picture.timestamps[i], height), xytext=(2, -2),
            textcoords="offset points", fontsize=7, color=_SCORE, va="center",
        )  # fmt: skip


def _shade(
    axes: Axes,
    times: npt.NDArray[Any],
    scores: npt.NDArray[np.float64],
    windows: Sequence[tuple[Any, Any]],
    cold: str = "cold start (not scored)",
) -> None:
    for i, (begin, end) in enumerate(windows):
        axes.axvspan(
            begin, end, facecolor=_LABEL, alpha=0.18, hatch="//", edgecolor=_LABEL, linewidth=0.0,
            label="labelled window" if i == 0 else None,
        )  # fmt: skip
    unscored = np.flatnonzero(np.isfinite(scores))
    n_cold = int(unscored[0]) if unscored.size else len(times)
    if n_cold:
        axes.axvspan(
            times[0], times[n_cold - 1], facecolor=_COLD, alpha=0.2, linewidth=0.0,
            label=cold,
        )  # fmt: skip


def _label_dates(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=5, maxticks=14)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
