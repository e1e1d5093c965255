"""Panels one above the other, and what is drawn into them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers can tell apart; every element differs by
# shape, hatching or text too.
SERIES: Final = "#3a3a3a"
SCORE: Final = "#0072b2"
ANOMALY: Final = "#d55e00"
LABEL: Final = "#009e73"
COLD: Final = "#8c8c8c"

MAX_COLUMNS: Final = 8
"""Panels of more columns would leave no room for any."""


def literal(text: str) -> str:
    """Return what Matplotlib shows as `text`; names of columns and files are no formulas."""
    return text.replace("$", r"\$")


def new_panels(heights: Sequence[float], title: str) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels of these heights, which nothing but the caller knows."""
    from freshet.plotting._figure import ShownFigure

    figure = ShownFigure(figsize=(14.0, 1.2 + 1.3 * sum(heights)), dpi=120, layout="constrained")
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)
    if title:
        figure.suptitle(literal(title), fontsize=13, x=0.01, ha="left", fontweight="bold")
    return figure, panels[:, 0].tolist()


def figure_of(axes: Axes) -> Figure:
    """Return the figure that holds axes, of subfigures the whole one."""
    figure = axes.get_figure()
    while figure is not None and figure is not figure.figure:
        figure = figure.figure
    return cast("Figure", figure)


def label_columns(columns: Sequence[str]) -> tuple[Sequence[str], str]:
    """Return the columns that are drawn, and what the title says of the others."""
    n_left = len(columns) - MAX_COLUMNS
    return columns[:MAX_COLUMNS], f" ({n_left} more columns not drawn)" if n_left > 0 else ""


def column_heights(n_columns: int) -> list[float]:
    """Return the heights of panels of so many columns."""
    return [3.0 if n_columns == 1 else 1.6] * n_columns


def plot_columns(
    panels: Sequence[Axes],
    times: npt.NDArray[Any],
    columns: Sequence[str],
    values: npt.NDArray[np.float64],
    rows: npt.NDArray[np.bool_],
) -> None:
    """Draw each column into a panel of its own, and crosses where `rows` is true."""
    for axes, name, series in zip(panels, columns, values.T, strict=False):
        # One name for all of them in the legend, as each panel says which it is.
        label = literal(name) if len(columns) == 1 else "series"
        plot_values(axes, times, series, rows, label, size=3.0)
        axes.set_ylabel(literal(name))
        axes.yaxis.set_major_formatter("{x:,.0f}" if np.max(series) >= 1000 else "{x:g}")


def label_times(axes: Axes, times: npt.NDArray[Any]) -> None:
    """Say what the horizontal axis is, where it is not dates."""
    if np.issubdtype(times.dtype, np.datetime64):
        _label_dates(axes)
    else:
        axes.set_xlabel("row" if times.dtype.kind in "iu" else "timestamp")


def trim(panels: Sequence[Axes]) -> None:
    """Leave out of the frames what says nothing."""
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.01)


def add_legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """Explain below the figure what the first panel has in it."""
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside lower left", ncols=len(handles), frameon=False, fontsize=9
    )


def plot_values(
    axes: Axes, times: Any, values: Any, rows: Any, label: str, size: float = 4.0
) -> None:
    """Draw a series, and crosses of that size where `rows` is true."""
    # Legends leave out what begins with an underscore.
    label = f" {label}" if label.startswith("_") else label
    axes.plot(times, values, color=SERIES, linewidth=0.6, label=label)
    axes.plot(
        times[rows], values[rows], "x", color=ANOMALY, markersize=size, markeredgewidth=size / 4,
        label="anomalous row",
    )  # fmt: skip


def plot_scores(axes: Axes, times: Any, scores: Any, rows: Any, threshold: float | None) -> None:
    """Draw scores, crosses where `rows` is true, and the threshold if there is one."""
    axes.plot(times, scores, color=SCORE, linewidth=0.7, label="score")
    axes.plot(
        times[rows], scores[rows], "x", color=ANOMALY, markersize=3, markeredgewidth=0.8,
        label="anomalous row",
    )  # fmt: skip
    if threshold is None:
        return
    axes.axhline(threshold, color="black", linewidth=1.0, linestyle="--")
    axes.annotate(
        f"threshold {threshold:g}", (0.0, threshold),
        xycoords=("axes fraction", "data"), xytext=(4, 3), textcoords="offset points", fontsize=8,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.0},
    )  # fmt: skip


def plot_scores_and_versions(
    axes: Axes,
    times: npt.NDArray[Any],
    scores: npt.NDArray[np.float64],
    rows: npt.NDArray[np.bool_],
    threshold: float | None,
    versions: npt.NDArray[np.int64] | None,
) -> None:
    """As `plot_scores`, with a tick along the bottom for every model."""
    plot_scores(axes, times, scores, rows, threshold)
    drawn = scores[np.isfinite(scores)]
    if threshold is not None:
        drawn = np.append(drawn, threshold)
    low, high = (float(drawn.min()), float(drawn.max())) if drawn.size else (0.0, 1.0)
    span = (high - low) or 1.0
    axes.set_ylim(low - 0.25 * span, high + 0.08 * span)
    axes.set_ylabel("score")
    if versions is not None:
        _mark_versions(axes, times, versions, low - 0.16 * span)


def _mark_versions(
    axes: Axes, times: npt.NDArray[Any], versions: npt.NDArray[np.int64], height: float
) -> None:
    """Put a tick where each model took over, with every so many named."""
    changes = np.flatnonzero(np.diff(versions, prepend=0) > 0)
    if not changes.size:
        return
    axes.plot(
        times[changes], np.full(changes.size, height), "|", color=SCORE,
        markersize=9, markeredgewidth=1.4,
    )  # fmt: skip
    step = max(1, -(-changes.size // 30))
    for i in changes[::step]:
        axes.annotate(
            f"v{versions[i]}", (times[i], height), xytext=(2, -2),
            textcoords="offset points", fontsize=7, color=SCORE, va="center",
        )  # fmt: skip


def shade(
    axes: Axes,
    times: npt.NDArray[Any],
    scores: npt.NDArray[np.float64],
    windows: Sequence[tuple[Any, Any]],
    cold: str = "cold start (not scored)",
) -> None:
    """Hatch labelled windows, and grey what comes before the first score."""
    for i, (begin, end) in enumerate(windows):
        axes.axvspan(
            begin, end, facecolor=LABEL, alpha=0.18, hatch="//", edgecolor=LABEL, linewidth=0.0,
            label="labelled window" if i == 0 else None,
        )  # fmt: skip
    unscored = np.flatnonzero(np.isfinite(scores))
    n_cold = int(unscored[0]) if unscored.size else len(times)
    if n_cold:
        axes.axvspan(
            times[0], times[n_cold - 1], facecolor=COLD, alpha=0.2, linewidth=0.0,
            label=cold,
        )  # fmt: skip


def _label_dates(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=5, maxticks=14)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
