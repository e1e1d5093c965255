"""What each column adds to the score of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freshet.plotting._panels import ANOMALY, SCORE, figure_of, literal, new_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from freshet.results import Explanation

__all__ = ["draw_explanation"]


def draw_explanation(
    explanation: Explanation, *, max_columns: int = 20, title: str = "", ax: Axes | None = None
) -> Figure:
    """Draw the contribution of each column as a bar, the largest ones on top.

    Bars to the right raise the score, hatched bars to the left lower it; each has its number.

    Parameters
    ----------
    explanation : Explanation
        What `StreamingDetector.explain` returned.
    max_columns : int, default 20
        The columns with the largest contributions are drawn, the others as one sum.
    title : str, optional
        By default the score, and whether it is an anomaly.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Not registered with ``pyplot``.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    """
    bars = sorted(explanation.items(), key=lambda one: -abs(one[1]))
    if len(bars) > max_columns:
        others = bars[max_columns:]
        bars = [
            *bars[:max_columns],
            (f"{len(others)} more columns", sum(contribution for _, contribution in others)),
        ]
    names, contributions = [name for name, _ in bars], [one for _, one in bars]
    if ax is None:
        figure, (axes,) = new_panels([0.25 * len(bars) + 0.4], "")
        figure.set_figwidth(8.0)
    else:
        figure, axes = figure_of(ax), ax
    places = range(len(bars))
    drawn = axes.barh(
        places, contributions, height=0.7, edgecolor="white",
        color=[ANOMALY if one > 0.0 else SCORE for one in contributions],
        hatch=["" if one > 0.0 else "///" for one in contributions],
    )  # fmt: skip
    axes.bar_label(drawn, [f"{one:+.3g}" for one in contributions], padding=4, fontsize=9)
    axes.set_yticks(places, [literal(name) for name in names])
    axes.invert_yaxis()
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.margins(x=0.15)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    lowers = " (hatched: lowers it)" if min(contributions, default=0.0) < 0.0 else ""
    axes.set_xlabel(f"contribution to the raw score{lowers}")
    verdict = "an anomaly" if explanation.is_anomaly else "no anomaly"
    scored = f"score {explanation.score:.3g}, {verdict}; raw score {explanation.raw_score:.4g}"
    axes.set_title(literal(title or scored), loc="left")
    return figure
