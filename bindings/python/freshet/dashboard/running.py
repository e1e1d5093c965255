"""Starting the dashboard: Streamlit with this package's page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from freshet.dashboard.options import API_KEY_VARIABLE

if TYPE_CHECKING:
    from freshet.dashboard.options import Options

__all__ = ["run", "streamlit_arguments"]

_PAGE: Final = Path(__file__).with_name("page.py")
#: The same colours as the charts'.
_THEME: Final = {
    "light.primaryColor": "#00639b",
    "light.textColor": "#31333f",
    "light.backgroundColor": "#ffffff",
    "light.secondaryBackgroundColor": "#f3f5f9",
    "dark.primaryColor": "#56b4e9",
    "dark.textColor": "#e6e8ee",
    "dark.backgroundColor": "#0e1117",
    "dark.secondaryBackgroundColor": "#1b202b",
}


def streamlit_arguments(host: str, port: int, *, has_browser: bool) -> list[str]:
    """Return what Streamlit's program is called with."""
    settings = {
        "server.address": host,
        "server.port": port,
        "server.headless": str(not has_browser).lower(),
        "server.fileWatcherType": "none",
        "server.showEmailPrompt": "false",
        "browser.gatherUsageStats": "false",
        "browser.serverAddress": host,
        "client.toolbarMode": "viewer",
        "client.showErrorDetails": "type",
        **{f"theme.{name}": value for name, value in _THEME.items()},
    }
    return ["run", str(_PAGE), *(f"--{name}={value}" for name, value in settings.items())]


def run(options: Options, *, host: str, port: int, api_key: str | None, has_browser: bool) -> None:
    """Serve the dashboard until it is interrupted.

    Parameters
    ----------
    options : Options
        What to show.
    host : str
        The address to listen on.
    port : int
    api_key : str or None
        Of the service in `options`.
    has_browser : bool
        Whether to open one.
    """
    # Before the first look, which then need not wait for it.
    from streamlit.web.cli import main

    from freshet.dashboard import feeds
    from freshet.dashboard import panels as _  # noqa: F401
    from freshet.dashboard.sources import preload

    preload(options)
    options.to_environment()
    if api_key:
        os.environ[API_KEY_VARIABLE] = api_key
    feeds.read_ahead(options)
    main(streamlit_arguments(host, port, has_browser=has_browser), standalone_mode=False)
