"""The streams of the service: their order, their state, and what is kept of them."""

from freshet.server.engine.changes import StoreError
from freshet.server.engine.conflicts import SettingsConflictError
from freshet.server.engine.engine import Engine
from freshet.server.engine.housekeeping import LimitError
from freshet.server.engine.streams import Answer

__all__ = ["Answer", "Engine", "LimitError", "SettingsConflictError", "StoreError"]
