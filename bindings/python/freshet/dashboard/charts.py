"""The charts, as Plotly's figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import plotly.graph_objects as go

from freshet.dashboard import lanes
from freshet.dashboard.downsampling import extremes, uncovered
from freshet.dashboard.sentences import signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from freshet.dashboard.contributions import Contributions
    from freshet.dashboard.palette import Palette
    from freshet.dashboard.points import Axis, Points

__all__ = ["ANOMALIES", "MOST_MARKERS", "N_BUCKETS", "contribution_chart", "stream_chart"]

#: Of the whole width: more than a screen has pixels for a chart.
N_BUCKETS: Final = 1500
#: The name of the markers.
ANOMALIES: Final = "anomaly"
#: Up to so many are all drawn; of more, those that others would cover are left out: a marker is
#: wider than a cell of so many across, and higher than one of so many up. A thousand markers in
#: three lanes take a browser a second.
MOST_MARKERS: Final = 300
_CELLS_ACROSS: Final = 180
_CELLS_UP: Final = 24
_SERIES_PIXELS: Final = 190
_LANE_PIXELS: Final = {"score": 170, "model": 46, "rate": 100}
_GAP_PIXELS: Final = 14
_MARGIN: Final = {"l": 64, "r": 16, "t": 34, "b": 52}
_MOST_BARS: Final = 20
_FONT: Final = '"Source Sans", "Source Sans 3", sans-serif'


def stream_chart(
    points: Points,
    columns: Sequence[str],
    axis: Axis,
    colours: Palette,
    chosen: int | None = None,
) -> go.Figure:
    """Draw the series, the score, the models and the anomaly rate, one above the other.

    Parameters
    ----------
    points : Points
        At least one.
    columns : sequence of str
        Those to draw; each in a lane of its own.
    axis : {"time", "row"}
        The horizontal axis.
    colours : Palette
    chosen : int, optional
        The id of a row that is marked.

    Returns
    -------
    plotly.graph_objects.Figure
        What can be clicked, anomalies and model swaps, has the row's id as its ``customdata``.
    """
    places = points.along(axis)
    x = lanes.as_numbers(places)
    figure = go.Figure()
    pixels = [_SERIES_PIXELS if len(columns) < 3 else 120] * len(columns)
    domains = _stack(figure, [*pixels, *_LANE_PIXELS.values()])
    names = [*columns, "score", "model", "anomaly rate"]
    for i, (name, domain) in enumerate(zip(names, domains, strict=True)):
        figure.layout[_axis(i)] = {
            "domain": domain,
            "title": {"text": _short(name), "standoff": 6},
            "gridcolor": colours.grid,
            "zeroline": False,
            "fixedrange": True,
            "nticks": 5,
        }
    for i, (name, values) in enumerate(points.columns_of(columns)):
        colour = colours.series[i % len(colours.series)]
        _draw_line(figure, _Lane(i, x, values, name, colour), points, colours, chosen)
    n = len(columns)
    _draw_line(figure, _Lane(n, x, points.scores, "score", colours.score), points, colours, chosen)
    lanes.draw_threshold(figure, n, x, points, colours)
    lanes.draw_models(figure, n + 1, x, points, colours)
    lanes.draw_rate(figure, n + 2, points.rates(axis), points.rate, colours)
    lanes.shade_cold_start(
        figure, x, points, colours, [f"y{i + 1 if i else ''}" for i in range(n + 1)]
    )
    _finish(figure, colours, x, n + 2, is_time=np.issubdtype(places.dtype, np.datetime64))
    return figure


class _Lane:
    def __init__(
        self,
        row: int,
        x: npt.NDArray[Any],
        values: npt.NDArray[np.float64],
        name: str,
        colour: str,
    ) -> None:
        self.row, self.x, self.values, self.name, self.colour = row, x, values, name, colour


def _draw_line(
    figure: go.Figure, lane: _Lane, points: Points, colours: Palette, chosen: int | None
) -> None:
    marked = np.flatnonzero(points.is_anomaly)
    if len(marked) > MOST_MARKERS:
        across = lane.x[marked].astype(np.float64)
        marked = marked[uncovered(across, lane.values[marked], _CELLS_ACROSS, _CELLS_UP)]
    is_marked = np.zeros(len(points), np.bool_)
    is_marked[marked] = True
    where = extremes(lane.values, N_BUCKETS, is_marked)
    y_axis = f"y{lane.row + 1 if lane.row else ''}"
    figure.add_trace(
        go.Scatter(
            x=lane.x[where], y=lane.values[where], yaxis=y_axis, name=_short(lane.name),
            mode="lines",
            line={"color": lane.colour, "width": 1.2},
            hovertemplate=f"%{{x}}<br>{_short(lane.name)} %{{y:.6~g}}<extra></extra>",
            connectgaps=False, legendgroup=lane.name, opacity=0.9,
        )
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=lane.x[marked],
            y=lane.values[marked],
            yaxis=y_axis,
            mode="markers",
            name=ANOMALIES,
            # At the very middle of a marker larger than 6 the line would be hovered and clicked.
            marker={
                "symbol": "x",
                "size": 6,
                "color": colours.anomaly,
                "line": {"color": colours.anomaly, "width": 1.2},
            },
            customdata=points.ids[marked],
            text=[f"{one:.4g}" for one in points.scores[marked]],
            hovertemplate=f"<b>anomaly</b> · %{{x}}<br>{_short(lane.name)} %{{y:.6~g}}, "
            "score %{text}<extra></extra>",
            unselected={"marker": {"opacity": 1}},
            legendgroup=ANOMALIES,
            showlegend=lane.row == 0,
        )
    )
    position = None if chosen is None else points.position(chosen)
    if position is not None:
        figure.add_trace(
            go.Scatter(
                x=lane.x[[position]], y=lane.values[[position]], yaxis=y_axis, mode="markers",
                name="chosen row", legendrank=2000, hoverinfo="skip",
                legendgroup="chosen", showlegend=lane.row == 0,
                marker={
                    "symbol": "circle-open", "size": 17, "color": colours.chosen,
                    "line": {"width": 2.5},
                },
                unselected={"marker": {"opacity": 1}},
            )
        )  # fmt: skip


def contribution_chart(contributions: Contributions, colours: Palette) -> go.Figure:
    """Draw what each column adds to a score, the largest first; every bar says its number."""
    ranked = contributions.ranked()[:_MOST_BARS][::-1]
    values = [value for _, value in ranked]
    figure = go.Figure(
        go.Bar(
            x=values, y=list(range(len(ranked))), orientation="h",
            customdata=[_literal(name) for name, _ in ranked],
            text=[signed(value) for value in values], textposition="outside", cliponaxis=False,
            marker={
                "color": [colours.anomaly if value >= 0 else colours.score for value in values],
                # A second sign of what is negative, besides the text.
                "pattern": {"shape": ["" if value >= 0 else "/" for value in values]},
            },
            hovertemplate="%{customdata}: %{x:.6~g}<extra></extra>",
            textfont={"color": colours.text},
        )
    )  # fmt: skip
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    room = 0.16 * ((high - low) or 1.0)
    figure.update_layout(
        _layout(colours),
        height=70 + 30 * len(ranked),
        margin={"l": 8, "r": 8, "t": 8, "b": 40},
        showlegend=False,
        bargap=0.35,
    )
    figure.update_xaxes(
        title="added to the raw score", gridcolor=colours.grid, zerolinecolor=colours.text,
        range=[low - (room if low < 0 else 0), high + room], fixedrange=True,
    )  # fmt: skip
    # By number: two columns may be called the same as far as there is room.
    figure.update_yaxes(
        automargin=True, fixedrange=True, ticksuffix="  ",
        tickvals=list(range(len(ranked))), ticktext=[_short(name) for name, _ in ranked],
    )  # fmt: skip
    return figure


def _axis(row: int) -> str:
    return f"yaxis{row + 1 if row else ''}"


def _stack(figure: go.Figure, pixels: Sequence[int]) -> list[list[float]]:
    """Return the domains of lanes of so many pixels, the first on top; set the figure's height."""
    total = sum(pixels) + _GAP_PIXELS * (len(pixels) - 1)
    figure.update_layout(height=total + _MARGIN["t"] + _MARGIN["b"], margin=_MARGIN)
    domains = []
    top = total
    for size in pixels:
        domains.append([max(0.0, (top - size) / total), top / total])
        top -= size + _GAP_PIXELS
    return domains


def _finish(
    figure: go.Figure, colours: Palette, x: npt.NDArray[Any], last_row: int, *, is_time: bool
) -> None:
    figure.update_layout(
        _layout(colours),
        hovermode="closest",
        dragmode="zoom",
        clickmode="event+select",
        # The same for as long as the chart is there, so that a refresh keeps the zoom.
        uirevision="stream",
        legend={
            "orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "yref": "paper",
            "itemsizing": "constant",
        },
    )  # fmt: skip
    figure.update_xaxes(
        type="date" if is_time else "linear",
        anchor=f"y{last_row + 1}", gridcolor=colours.grid, zeroline=False,
        title=None if is_time else {"text": "row", "standoff": 4},
        tickformat=None if is_time else ",d", ticks="outside", ticklen=5, tickcolor=colours.grid,
        range=_margins(x),
    )  # fmt: skip


def _margins(x: npt.NDArray[Any]) -> list[float]:
    """Return a range that is a little wider than the data."""
    low, high = x[0], x[-1]
    room = 0.01 * (high - low) or 1.0
    return [low - room, high + room]


def _layout(colours: Palette) -> dict[str, Any]:
    return {
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": colours.text, "size": 13, "family": _FONT},
        "modebar": {
            "bgcolor": "rgba(0,0,0,0)",
            "color": colours.text,
            "activecolor": colours.score,
        },
        "hoverlabel": {
            "bgcolor": colours.background, "bordercolor": colours.grid,
            "font": {"color": colours.text},
        },
    }  # fmt: skip


def _short(name: str) -> str:
    return _literal(name if len(name) <= 24 else name[:23] + "…")


def _literal(text: str) -> str:
    # Plotly would read a tag, or what stands for a character.
    return text.replace("&", "&amp;").replace("<", "&lt;")
