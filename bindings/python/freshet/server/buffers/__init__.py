"""The last rows of series, with rolling features."""

from freshet.server.buffers.buffer import Buffer
from freshet.server.buffers.buffers import Buffers
from freshet.server.buffers.features import FeatureSelection

__all__ = ["Buffer", "Buffers", "FeatureSelection"]
