"""The program ``freshet``: says how to install the command line where that is missing."""

from __future__ import annotations

import sys
from typing import Final

__all__ = ["main"]

#: What the extra brings, and what Typer needs.
_PACKAGES: Final = frozenset(
    {"annotated_doc", "click", "pydantic", "requests", "rich", "shellingham", "typer", "yaml"}
)


def main() -> int:
    """Run the command line on the program's arguments; return the exit status."""
    try:
        from freshet.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in _PACKAGES:
            raise  # A damaged installation, which the extra would not mend.
    print(
        "freshet: the command line needs more packages: pip install 'freshet[cli]'",
        file=sys.stderr,
    )
    return 1
