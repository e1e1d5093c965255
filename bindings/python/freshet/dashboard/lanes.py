"""What the chart of a stream has besides lines: threshold, models, anomaly rate, cold start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import plotly.graph_objects as go

from freshet.dashboard.sentences import number, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from freshet.dashboard.palette import Palette
    from freshet.dashboard.points import Points, Rate, Span

__all__ = ["as_numbers", "draw_models", "draw_rate", "draw_threshold", "shade_cold_start"]

#: How wide a chart is on a small telephone, and a character of a name: the page does not know how
#: wide it is, so that names have to fit there too.
_NARROWEST_PIXELS: Final = 300
_CHARACTER_PIXELS: Final = 7.5
#: Cold starts that are named; the rest is shaded only.
_MOST_COLD_NAMES: Final = 6
_MOST_SWAP_LINES: Final = 60
#: Signs that a lane without height has room for, one beside the other.
_MOST_SIGNS: Final = 200


def as_numbers(places: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return times and durations in milliseconds, which a browser need not read as text."""
    if places.dtype.kind not in "mM":
        return places
    return places.astype(f"{places.dtype.kind}8[us]").astype(np.int64) / 1e3


def draw_threshold(
    figure: go.Figure, row: int, x: npt.NDArray[Any], points: Points, colours: Palette
) -> None:
    """Draw the threshold over time: a dashed line that steps where it changes."""
    known = np.flatnonzero(~np.isnan(points.thresholds))
    if not known.size:
        return
    values = points.thresholds[known]
    # Where a step begins and ends.
    is_step = np.diff(values, prepend=np.nan) != 0
    corners = known[is_step | np.append(is_step[1:], True)]
    figure.add_trace(
        go.Scatter(
            x=x[corners], y=points.thresholds[corners], yaxis=f"y{row + 1}", mode="lines",
            name="threshold", line={"color": colours.threshold, "width": 1.3, "dash": "dash"},
            hovertemplate="threshold %{y:.6~g}<extra></extra>",
        )
    )  # fmt: skip
    figure.add_annotation(
        x=1.0, xref="x domain", xanchor="right", y=values[-1], yref=f"y{row + 1}", yanchor="bottom",
        text=f"threshold {number(values[-1])}", showarrow=False, font={"size": 12},
        bgcolor=colours.background, opacity=0.9,
    )  # fmt: skip


def draw_models(
    figure: go.Figure, row: int, x: npt.NDArray[Any], points: Points, colours: Palette
) -> None:
    """Draw a band for each model, in turns of two shades; names where there is room.

    A thousand models are two polygons of many parts, which a browser draws at once.
    """
    y_axis = f"y{row + 1}"
    spans = points.model_spans()
    figure.layout[f"yaxis{row + 1}"].update(
        range=[0, 1], showticklabels=False, showgrid=False, title={"text": "model"}
    )
    for turn, colour in enumerate((colours.version_odd, colours.version_even)):
        corners = _rectangles(x, spans[turn::2])
        figure.add_trace(
            go.Scatter(
                x=corners[0], y=corners[1], yaxis=y_axis, mode="lines", fill="toself",
                fillcolor=colour, line={"width": 0}, hoverinfo="skip", showlegend=False,
                name="model",
            )
        )  # fmt: skip
    if not spans:
        figure.add_annotation(
            x=0.5, xref="x domain", y=0.5, yref=y_axis, text="no model yet", showarrow=False
        )
        return
    names = _names(x, spans)
    every = -(-len(spans) // _MOST_SIGNS)
    told = [i for i, name in enumerate(names) if name or i % every == 0]
    texts = [f"version {one.version}: {one.end - one.begin:,} rows" for one in spans]
    figure.add_trace(
        go.Scatter(
            x=np.array([x[spans[i].begin + (spans[i].end - spans[i].begin) // 2] for i in told]),
            y=np.full(len(told), 0.5), yaxis=y_axis, mode="text", name="model",
            text=[names[i] for i in told], hovertext=[texts[i] for i in told],
            textfont={"color": colours.version_text, "size": 12},
            hoverinfo="text", showlegend=False, cliponaxis=True,
        )
    )  # fmt: skip
    swaps = points.swaps()
    # Where two would touch there is a row of triangles anyhow; the bands have every one.
    marked = swaps[:: -(-len(swaps) // _MOST_SIGNS) or 1]
    figure.add_trace(
        go.Scatter(
            x=x[marked], y=np.ones(len(marked)), yaxis=y_axis, mode="markers",
            name="model swap", marker={
                "symbol": "triangle-down", "size": 9 if len(swaps) <= _MOST_SWAP_LINES else 4,
                "color": colours.text,
            },
            text=[f"version {points.model_versions[i]} takes over" for i in marked],
            hovertemplate="%{text} · %{x}<extra></extra>", cliponaxis=False,
            customdata=points.ids[marked],
        )
    )  # fmt: skip
    if len(swaps) <= _MOST_SWAP_LINES:
        for i in swaps:
            figure.add_shape(
                type="line", x0=x[i], x1=x[i], y0=0, y1=1, yref=f"y{row} domain",
                line={"color": colours.text, "width": 0.6, "dash": "dot"}, layer="below",
            )  # fmt: skip


def _rectangles(
    x: npt.NDArray[Any], spans: Sequence[Span]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    left = x[np.array([one.begin for one in spans], np.int64)]
    right = x[np.minimum(np.array([one.end for one in spans], np.int64), len(x) - 1)]
    gap = np.full(len(spans), np.nan)
    across = np.column_stack([left, left, right, right, gap]).ravel()
    return across, np.tile([0.0, 1.0, 1.0, 0.0, np.nan], len(spans))


def _names(x: npt.NDArray[Any], spans: Sequence[Span]) -> list[str]:
    """Return the names of versions, each in the middle of its band; none where they would touch."""
    whole = float(x[-1] - x[0]) or 1.0
    names = []
    free_from = 0.0
    for one in spans:
        left = x[one.begin]
        right = x[min(one.end, len(x) - 1)]
        begin = float(left - x[0]) / whole
        width = float(right - left) / whole
        middle = begin + width / 2
        name = f"v{one.version}"
        half = (len(name) + 1) * _CHARACTER_PIXELS / _NARROWEST_PIXELS / 2
        fits = free_from <= middle - half and middle + half <= 1.0
        names.append(name if fits else "")
        if fits:
            free_from = middle + half
    return names


def draw_rate(
    figure: go.Figure, row: int, rates: Rate, overall: float | None, colours: Palette
) -> None:
    """Draw the share of anomalies in equal parts of the axis, and over all of it."""
    y_axis = f"y{row + 1}"
    figure.add_trace(
        go.Bar(
            x=as_numbers(rates.begins), y=rates.shares, width=as_numbers(rates.widths), offset=0,
            yaxis=y_axis,
            name="anomaly rate", showlegend=False,
            marker={"color": colours.anomaly, "line": {"width": 0.5, "color": colours.background}},
            text=[f"{n:,}" for n in rates.n_scored], textposition="none",
            hovertemplate="%{y:.2%} of %{text} scored rows<br>from %{x}<extra></extra>",
        )
    )  # fmt: skip
    highest = np.nanmax([*rates.shares, 0.0])
    figure.layout[f"yaxis{row + 1}"].update(
        tickformat=".0%" if highest >= 0.04 else ".1%" if highest >= 0.004 else ".2%",
        rangemode="tozero",
        nticks=4,
    )
    if overall is not None:
        figure.add_annotation(
            x=1.0, xref="x domain", xanchor="right", y=1.0, yref=f"{y_axis} domain", yanchor="top",
            text=f"{percent(overall)} in all", showarrow=False, font={"size": 12},
            bgcolor=colours.background, opacity=0.9,
        )  # fmt: skip


def shade_cold_start(
    figure: go.Figure,
    x: npt.NDArray[Any],
    points: Points,
    colours: Palette,
    y_axes: Sequence[str],
) -> None:
    """Shade what is not scored, with a dashed border and its name."""
    for i, one in enumerate(points.cold_spans()):
        left, right = x[one.begin], x[min(one.end, len(x) - 1)]
        for y_axis in y_axes:
            named = i < _MOST_COLD_NAMES and y_axis == y_axes[0]
            figure.add_shape(
                type="rect", x0=left, x1=right, y0=0, y1=1, yref=f"{y_axis} domain",
                fillcolor=colours.cold, layer="below",
                line={"width": 1, "dash": "dash", "color": colours.text},
            )  # fmt: skip
            if named:
                figure.add_annotation(
                    x=left, xanchor="left", y=1.0, yref=f"{y_axis} domain", yanchor="top",
                    text="cold start", showarrow=False, font={"size": 12},
                    bgcolor=colours.background, opacity=0.9,
                )  # fmt: skip
