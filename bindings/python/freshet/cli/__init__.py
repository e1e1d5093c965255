"""The command line: ``freshet COMMAND``.

A command is a function of a module of its own, registered below with the module's examples. It
prints its result to standard output and raises what the library raises; `_errors` makes messages of
that. It imports what it needs beyond NumPy and Typer when it runs, so that the others start
quickly.
"""

from __future__ import annotations

from typing import Annotated

import typer

from freshet import __version__
from freshet.cli import (
    backends,
    dashboard,
    detect,
    download,
    evaluate,
    inspect,
    keys,
    score,
    serve,
    stream,
    train,
)
from freshet.cli._errors import Commands

__all__ = ["app", "main"]


def _examples(*lines: str) -> str:
    # The escape keeps Typer from filling the lines of the paragraph.
    return "\n  ".join(("\b\nExamples:", *lines))


app = typer.Typer(
    name="freshet",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

app.command("detect", epilog=_examples(*detect.EXAMPLES))(detect.detect)
app.command("stream", epilog=_examples(*stream.EXAMPLES))(stream.stream)
app.command("download", epilog=_examples(*download.EXAMPLES))(download.download)
app.command("train", epilog=_examples(*train.EXAMPLES))(train.train)
app.command("score", epilog=_examples(*score.EXAMPLES))(score.score)
app.command("inspect", epilog=_examples(*inspect.EXAMPLES))(inspect.inspect)
app.command("evaluate", epilog=_examples(*evaluate.EXAMPLES))(evaluate.evaluate)
app.command("dashboard", epilog=_examples(*dashboard.EXAMPLES))(dashboard.dashboard)
app.command("backends", epilog=_examples(*backends.EXAMPLES))(backends.backends)
app.command("serve", epilog=_examples(*serve.EXAMPLES), cls=serve.ServeCommand)(serve.serve)

_keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
_keys.command("create", epilog=_examples(*keys.CREATE_EXAMPLES))(keys.create)
_keys.command("list", epilog=_examples(*keys.LIST_EXAMPLES))(keys.show)
_keys.command("revoke", epilog=_examples(*keys.REVOKE_EXAMPLES))(keys.revoke)
app.add_typer(
    _keys,
    name="keys",
    help="Manage the API keys of the service.",
    epilog=_examples(*keys.EXAMPLES),
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"freshet {__version__}")
        raise typer.Exit


@app.callback(
    epilog=_examples(
        "freshet download nyc_taxi --out data/nyc_taxi.csv",
        "freshet detect data/nyc_taxi.csv --contamination 0.01 --plot nyc_taxi.png",
        "tail -f metrics.jsonl | freshet stream --only-anomalies",
        "freshet detect --help",
    )
)
def freshet(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Find anomalies in streams of numbers.

    Ends with 0 if all went well, 1 and a message if it did not, 2 if the command line is wrong, 130
    after Ctrl-C.
    """


def main() -> int:
    """Run the program on its arguments; return the exit status."""
    try:
        app(prog_name="freshet")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
