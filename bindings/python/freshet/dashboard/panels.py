"""The parts of the page that show rows."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import streamlit as st

from freshet.dashboard import export
from freshet.dashboard.charts import contribution_chart, stream_chart
from freshet.dashboard.contributions import Contributions, UnexplainedError
from freshet.dashboard.palette import palette
from freshet.dashboard.points import LABELS
from freshet.dashboard.sentences import (
    about_contributions,
    about_models,
    about_rate,
    about_scores,
    about_series,
    count,
    number,
    percent,
    place,
    plain,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from freshet.dashboard.options import DetectorOptions
    from freshet.dashboard.palette import Palette
    from freshet.dashboard.points import Axis, Points
    from freshet.dashboard.sources.source import Source

__all__ = ["set_style", "show_anomaly", "show_chart", "show_numbers", "show_table"]

#: Where the session keeps the id of the row that is looked at.
_CHOSEN: Final = "chosen"
_CHART: Final = "chart"
_TABLE: Final = "table"
_PICKER: Final = "picker"
#: Anomalies to choose from, and rows of the table; the newest.
_MOST_CHOICES: Final = 500
_MOST_ROWS: Final = 1_000
_MARKS: Final = {"anomaly": "✕ anomaly", "normal": "· normal", "warmup": "○ cold start"}
_STYLE: Final = """<style>
[data-testid="stMainBlockContainer"] { padding: 3.6rem 3rem 2rem; }
[data-testid="stCaptionContainer"] { color: inherit; opacity: 1; }
[data-testid="stMetricLabel"] { opacity: 1; }
[data-testid="stMetricValue"] { font-variant-numeric: tabular-nums; font-size: 1.35rem; }
h2 { font-size: 1.6rem !important; padding: 0 0 0.4rem !important; }
h3 { font-size: 1.25rem !important; }
div:has(> [data-testid="stElementContainer"] > [data-testid="stMetric"]) { row-gap: 0.75rem; }
button[data-selected="true"] p { font-weight: 600; text-decoration: underline; }
[data-testid="stSidebarUserContent"] { padding-top: 0; }
[data-testid="stSidebar"][data-collapsed="true"] * { visibility: hidden !important; }
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] { padding: 3.6rem 1rem 2rem; }
}
</style>"""
_NO_TOOLS: Final = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}


def set_style() -> None:
    """Set what a theme does not: full contrast of small texts, less room around, marks of choices.

    What is chosen is underlined, for its tint alone would tell it by colour. What is beside the
    window is hidden, for the Tab key would go there.
    """
    st.html(_STYLE)


def show_numbers(points: Points, axis: Axis) -> None:
    """Show the state in a few numbers."""
    last = len(points) - 1
    score, threshold = points.scores[last], points.thresholds[last]
    version = int(points.model_versions[last])
    limit = "" if np.isnan(threshold) else f" (threshold {number(threshold)})"
    shown = [
        ("Points in view", f"{len(points):,}"),
        ("Anomalies", f"{points.n_anomalies:,}"),
        ("Anomaly rate", percent(points.rate)),
        (f"Latest score{limit}", "cold start" if np.isnan(score) else number(score)),
        (f"Model ({count(len(points.swaps()), 'swap')})", f"v{version}" if version else "none yet"),
        ("Latest point", place(points, last, axis).rpartition(", ")[2]),
    ]
    with st.container(horizontal=True, gap="medium"):
        for label, value in shown:
            st.metric(label, value, width="content")


def show_chart(points: Points, columns: tuple[str, ...], axis: Axis) -> None:
    """Show the chart of the stream, what it says in words, and the files to take away."""
    words = [
        about_series(points, columns, axis),
        about_scores(points),
        about_models(points),
        about_rate(points, axis),
    ]
    st.plotly_chart(
        stream_chart(points, columns, axis, _colours(), st.session_state.get(_CHOSEN)),
        key=_CHART,
        theme=None,
        on_select=_choose_in_chart,
        selection_mode="points",
        config=_NO_TOOLS,
        alt=" ".join(words),
    )
    if points.texts:
        words.append(f"Not drawn, as they hold no numbers: {', '.join(points.texts)}.")
    with st.expander("What the chart shows, in words", expanded=False):
        for sentence in words:
            st.markdown(f"- {plain(sentence)}")


def show_anomaly(
    source: Source, stream: str, points: Points, axis: Axis, fallback: DetectorOptions
) -> None:
    """Show one row: what each column adds to its score."""
    st.subheader("Why this row?")
    chosen = st.session_state.get(_CHOSEN)
    found = points.ids[points.is_anomaly][::-1][:_MOST_CHOICES].tolist()
    if chosen is not None and points.position(chosen) is None:
        st.caption("The row that was chosen is no longer in view.")
        chosen = None
    options = found if chosen is None or chosen in found else [chosen, *found]
    if not options:
        st.caption("No anomaly is in view. Tick any row of the table.")
        return
    st.session_state[_PICKER] = chosen
    st.selectbox(
        f"Row ({count(points.n_anomalies, 'anomaly', 'anomalies')} in view)",
        options,
        index=None,
        key=_PICKER,
        placeholder="Choose an anomaly here, in the chart or in the table",
        format_func=lambda identity: _called(points, identity, axis),
        on_change=_choose_in_list,
    )
    if chosen is None:
        return
    position = points.position(chosen)
    assert position is not None
    try:
        contributions = _explained(source, stream, points, chosen, fallback)
    except UnexplainedError as error:
        st.info(plain(str(error)), icon=":material/info:")
    else:
        words = about_contributions(contributions)
        st.plotly_chart(
            contribution_chart(contributions, _colours()),
            key="contributions",
            theme=None,
            config={"displayModeBar": False},
            alt=words,
        )
        st.caption(f"{plain(words)} {plain(contributions.how)}")
    cells = zip(points.columns, points.values[position].tolist(), strict=True)
    st.caption("Row: " + plain(", ".join(f"{name} = {number(cell)}" for name, cell in cells)))


def show_table(points: Points) -> None:
    """Show the newest rows that meet the filters, and let take them away as files."""
    st.subheader("Predictions")
    labels = st.pills(
        "Labels", list(_MARKS), selection_mode="multi", key="labels",
        format_func=_MARKS.__getitem__, default=list(_MARKS),
    )  # fmt: skip
    with st.container(horizontal=True):
        least = st.number_input(
            "Score at least", value=None, step=0.05, placeholder="any", key="least", width=150
        )
        versions = sorted({one.version for one in points.model_spans()})
        version = st.selectbox(
            "Model", versions, index=None, placeholder="any", key="version", width=150,
            format_func="v{}".format,
        )  # fmt: skip
    asked = _asked(points, labels, least, version)
    shown = points.take(asked[-_MOST_ROWS:][::-1])
    frame = export.as_frame(shown)
    if len(frame):
        # What the source does not know takes no room.
        frame = frame.loc[:, frame.notna().any()]
    label = "freshet_label" if "label" in points.columns else "label"
    frame[label] = [_MARKS[one] for one in frame[label]]
    st.session_state["table ids"] = shown.ids.tolist()
    matching = count(len(asked), "row")
    newest = f", the newest {_MOST_ROWS:,} are listed" if len(asked) > _MOST_ROWS else ""
    words = f"{matching} of {len(points):,} in view match{newest}. Newest first."
    st.dataframe(
        frame,
        key=_TABLE,
        hide_index=True,
        height=340,
        on_select=_choose_in_table,
        selection_mode="single-row",
        column_order=_order(list(frame.columns), points.columns),
        alt=words,
    )
    st.caption(f"{words} Tick a row to see why.")
    matched = points.take(asked)
    with st.container(horizontal=True):
        for name, write, kind in (
            ("CSV", export.to_csv, "text/csv"),
            ("JSONL", export.to_json_lines, "application/jsonl"),
        ):
            st.download_button(
                f"{matching} as {name}",
                # Made when it is asked for.
                data=functools.partial(write, matched),
                file_name=f"freshet.{name.lower()}",
                mime=kind,
                icon=":material/download:",
                on_click="ignore",
                key=f"as {name}",
                disabled=not len(asked),
            )


def _order(names: list[str], own: tuple[str, ...]) -> list[str]:
    """Return the columns as people look at them: the verdict, when, the values, the rest."""
    first = ("label", "score", "timestamp", "row")
    ours = [name for name in names if name not in own]
    verdict = [name for one in first for name in ours if name in (one, f"freshet_{one}")]
    return [*verdict, *own, *(name for name in ours if name not in verdict)]


def _asked(
    points: Points, labels: list[str], least: float | None, version: int | None
) -> npt.NDArray[Any]:
    meets = np.isin(points.labels, [LABELS.index(one) for one in labels])
    if least is not None:
        meets &= points.scores >= least
    if version is not None:
        meets &= points.model_versions == version
    return np.flatnonzero(meets)


def _explained(
    source: Source, stream: str, points: Points, identity: int, fallback: DetectorOptions
) -> Contributions:
    """Return the explanation, once for a row and not at every refresh."""
    asked = (source.name, stream, identity, fallback)
    held = st.session_state.get("explained")
    if held is None or held[0] != asked:
        held = asked, source.explain(points, identity, fallback)
        st.session_state["explained"] = held
    contributions: Contributions = held[1]
    return contributions


def _called(points: Points, identity: int, axis: Axis) -> str:
    position = points.position(identity)
    if position is None:
        return f"row {identity:,}"
    score = points.scores[position]
    said = f"score {number(score)}" if score == score else "cold start"
    mark = "✕ " if points.is_anomaly[position] else ""
    return f"{mark}{place(points, position, axis)}, {said}"


def _choose_in_chart() -> None:
    picked = st.session_state[_CHART].selection.points
    for point in picked:
        data = point.get("customdata")
        identity = data[0] if isinstance(data, (list, tuple)) else data
        if identity is not None:
            st.session_state[_CHOSEN] = int(identity)
            return


def _choose_in_table() -> None:
    rows = st.session_state[_TABLE].selection.rows
    ids = st.session_state.get("table ids", [])
    if rows and rows[0] < len(ids):
        st.session_state[_CHOSEN] = ids[rows[0]]


def _choose_in_list() -> None:
    st.session_state[_CHOSEN] = st.session_state[_PICKER]


def _colours() -> Palette:
    return palette(st.context.theme.type)
