"""The service: detection over HTTP. Needs ``pip install 'freshet[server]'``."""

from __future__ import annotations

from freshet.server.app import create_app
from freshet.server.configuration import read_settings
from freshet.server.settings import ServerSettings

__all__ = ["ServerSettings", "create_app", "read_settings"]
