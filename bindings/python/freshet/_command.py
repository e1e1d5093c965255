"""The program ``freshet``: says how to install what a command needs where that is missing."""

from __future__ import annotations

import sys
from typing import Final

__all__ = ["main"]

#: What the extras bring, and what Typer needs.
_PACKAGES: Final = {
    "cli": frozenset(
        {
            "annotated_doc",
            "click",
            "pydantic",
            "requests",
            "rich",
            "shellingham",
            "tomli",
            "typer",
            "yaml",
        }
    ),
    "dashboard": frozenset({"pandas", "plotly", "sqlalchemy", "streamlit"}),
    "server": frozenset(
        {
            "fastapi",
            "httptools",
            "orjson",
            "prometheus_client",
            "pydantic_settings",
            "starlette",
            "structlog",
            "tomli",
            "uvicorn",
            "uvloop",
        }
    ),
}
_NEEDS: Final = {
    "cli": "the command line",
    "dashboard": "the dashboard",
    "server": "the service",
}


def main() -> int:
    """Run the command line on the program's arguments; return the exit status."""
    try:
        from freshet.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        extra = next((name for name, brings in _PACKAGES.items() if package in brings), None)
        if extra is None:
            raise  # A damaged installation, which no extra would mend.
    print(
        f"freshet: {_NEEDS[extra]} needs more packages: pip install 'freshet[{extra}]'",
        file=sys.stderr,
    )
    return 1
