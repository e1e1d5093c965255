"""Pictures of what a detector saw. Needs Matplotlib: ``pip install 'freshet[plot]'``.

Figures are made without ``pyplot``, so nothing global changes and no display is needed.
"""

from freshet.plotting.errors import ErrorPicture, draw_errors
from freshet.plotting.explanation import draw_explanation
from freshet.plotting.results import plot
from freshet.plotting.stream import StreamPicture, draw_stream

__all__ = [
    "ErrorPicture",
    "StreamPicture",
    "draw_errors",
    "draw_explanation",
    "draw_stream",
    "plot",
]
