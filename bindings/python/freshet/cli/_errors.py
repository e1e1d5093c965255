"""What goes wrong, as a message and an exit status."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from freshet.errors import Error

FAILURE = 1
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it


class Commands(TyperGroup):
    """A group of commands that end in a message where freshet or the system refuses something.

    Commands raise what the library raises. Usage errors are Typer's, with the exit status 2; an
    error of any other kind is a bug and keeps its traceback.
    """

    def invoke(self, ctx: Any) -> Any:  # Of Click, or of Typer since it has its own.
        """Run the command that was asked for."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            raise  # Whoever read the output has had enough, which Typer knows about.
        except (Error, OSError) as error:
            typer.echo(f"freshet: {describe(error)}", err=True)
            raise typer.Exit(FAILURE) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(INTERRUPTED) from error
        return result


def describe(error: Error | OSError) -> str:
    """Return an error as people read it."""
    if isinstance(error, OSError) and error.strerror is not None:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
