"""What the charts show, in words: for screen readers, and for everybody in a hurry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from freshet.dashboard.contributions import Contributions
    from freshet.dashboard.points import Axis, Points

__all__ = [
    "about_contributions",
    "about_models",
    "about_rate",
    "about_scores",
    "about_series",
    "count",
    "moment",
    "number",
    "percent",
    "place",
    "plain",
    "signed",
]

_MANY = 5


def about_series(points: Points, columns: tuple[str, ...], axis: Axis) -> str:
    """Say what the chart of the series shows."""
    places = points.along(axis)
    shown = points.columns_of(columns)
    ranges = [f"{name} {_range(values)}" for name, values in shown]
    listed = "; ".join(ranges) or "no column of numbers"
    return (
        f"Series: {count(len(points), 'point')} from {moment(places[0])} to {moment(places[-1])}, "
        f"{count(points.n_anomalies, 'anomaly', 'anomalies')}{_where(points, places)}. {listed}."
    )


def about_scores(points: Points) -> str:
    """Say what the chart of the scores shows."""
    n_cold = int((~points.is_scored).sum())
    cold = f" {count(n_cold, 'point')} not scored, in cold start." if n_cold else ""
    if n_cold == len(points):
        return f"Score: none yet.{cold}"
    thresholds = points.thresholds[~np.isnan(points.thresholds)]
    if not thresholds.size:
        limit = "threshold unknown"
    elif thresholds.min() == thresholds.max():
        limit = f"threshold {number(thresholds[0])}"
    else:
        limit = f"threshold {_range(thresholds)}"
    return f"Score: {_range(points.scores)}, {limit}.{cold}"


def about_models(points: Points) -> str:
    """Say which models scored the points."""
    spans = points.model_spans()
    if not spans:
        return "Models: none has scored a point here yet."
    n_swaps = len(points.swaps())
    first, last = spans[0].version, spans[-1].version
    if first == last and not n_swaps:
        return f"Models: version {first} scored all points, without a swap."
    return f"Models: from version {first} to {last}, {count(n_swaps, 'swap')}."


def about_rate(points: Points, axis: Axis) -> str:
    """Say what the chart of the anomaly rate shows."""
    if points.rate is None:
        return "Anomaly rate: no point is scored yet."
    rates = points.rates(axis)
    highest = int(np.nanargmax(rates.shares))
    return (
        f"Anomaly rate: {percent(points.rate)} of the scored points, at most "
        f"{percent(rates.shares[highest])}, from {moment(rates.begins[highest])} on."
    )


def about_contributions(contributions: Contributions) -> str:
    """Say what the chart of the contributions shows."""
    ranked = contributions.ranked()
    named = ", ".join(f"{name} {signed(value)}" for name, value in ranked[:_MANY])
    n_left = len(ranked) - _MANY
    more = f", and {count(n_left, 'more column')}" if n_left > 0 else ""
    return f"Contributions to the raw score of {number(contributions.raw_score)}: {named}{more}."


def count(n: int, one: str, many: str | None = None) -> str:
    """Return a number of things."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def percent(share: float | None) -> str:
    """Return a share; small ones do not look like none."""
    if share is None:
        return "none"
    return "under 0.01%" if 0 < share < 1e-4 else f"{share:.2%}" if share < 0.1 else f"{share:.1%}"


def number(value: float) -> str:
    """Return a number as short as it can be read."""
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:.3g}"
    return f"{value:,.0f}" if size >= 1000 else f"{value:.4g}"


def signed(value: float) -> str:
    """Return a number with its sign."""
    return ("+" if value >= 0 else "-") + number(abs(value))


def moment(place: Any) -> str:
    """Return a place on a horizontal axis."""
    if isinstance(place, np.datetime64):
        text = np.datetime_as_string(place, unit="s").replace("T", " ")
        return str(text.removesuffix(":00"))
    return f"row {int(place):,}"


def place(points: Points, position: int, axis: Axis) -> str:
    """Return what a row is called: its number and, on an axis of time, its time."""
    row = f"row {points.places[position]:,}"
    at = points.along(axis)[position]
    return f"{row}, {moment(at)}" if isinstance(at, np.datetime64) else row


def plain(text: str) -> str:
    """Return Markdown that shows a text as it is; what files and columns are called is none."""
    for character in "\\`*_[]$<>#:~":
        text = text.replace(character, f"\\{character}")
    return text


def _range(values: npt.NDArray[np.float64]) -> str:
    known = values[~np.isnan(values)]
    if not known.size:
        return "unknown"
    low, high = float(known.min()), float(known.max())
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def _where(points: Points, places: npt.NDArray[Any]) -> str:
    found = places[points.is_anomaly]
    return f", the last at {moment(found[-1])}" if len(found) else ""
