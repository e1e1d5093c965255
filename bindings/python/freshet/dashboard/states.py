"""What the page shows where there is no picture: nothing yet, or a problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from freshet.dashboard.sentences import plain

if TYPE_CHECKING:
    from freshet.dashboard.points import Points
    from freshet.dashboard.problems import Problem

__all__ = [
    "show_no_points",
    "show_no_streams",
    "show_nothing_in_range",
    "show_problem",
    "show_stale",
]

_ICONS: Final = {
    "forbidden": ":material/lock:",
    "missing": ":material/search_off:",
    "unreachable": ":material/cloud_off:",
    "unreadable": ":material/report:",
}
_FIRST_POINT: Final = """\
curl -s http://localhost:14345/v1/ml/anomaly/stream \\
  -H 'Content-Type: application/json' \\
  -d '{"model": "my-stream", "data": {"temperature": 21.5}}'"""


def show_problem(problem: Problem) -> None:
    """Show what prevents the picture, and what to do."""
    with st.container(border=True):
        st.subheader(f"{_ICONS[problem.kind]} {problem.title}")
        st.markdown(plain(problem.what))
        st.markdown(f"**What to do:** {plain(problem.next_step)}")
        if st.button("Try again", icon=":material/refresh:"):
            st.rerun()


def show_stale(problem: Problem, points: Points) -> None:
    """Say that what is shown is of earlier."""
    now_shown = "What is shown is of before." if len(points) else ""
    st.warning(
        f"**{problem.title}.** {plain(problem.what)} {now_shown} {plain(problem.next_step)}",
        icon=_ICONS[problem.kind],
    )


def show_no_streams(place: str) -> None:
    """Say that there are no predictions at all yet."""
    with st.container(border=True):
        st.subheader(":material/hourglass_empty: No predictions yet")
        st.markdown(
            f"{plain(place)} can be read, but nothing has been predicted. As soon as a stream gets "
            "its first point, it appears here by itself."
        )
        st.markdown("**What to do:** send a point, for example")
        st.code(_FIRST_POINT, language="sh")


def show_no_points(stream: str) -> None:
    """Say that a stream has no rows."""
    with st.container(border=True):
        st.subheader(":material/hourglass_empty: No rows yet")
        st.markdown(
            f"{plain(stream)} has no rows in this source, or they were deleted by its retention. "
            "New ones appear here by themselves."
        )


def show_nothing_in_range() -> None:
    """Say that the range holds no rows."""
    with st.container(border=True):
        st.subheader(":material/date_range: Nothing in this range")
        st.markdown("**What to do:** choose another Range at the side.")
