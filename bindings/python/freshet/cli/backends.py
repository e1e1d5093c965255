"""``freshet backends``."""

from __future__ import annotations

import dataclasses
import json
from enum import Enum
from typing import Annotated, Final

import typer

import freshet
from freshet.cli._config_option import ConfigFile

EXAMPLES: Final = (
    "freshet backends",
    "freshet backends --format json",
)


class Format(str, Enum):
    """How they are listed."""

    table = "table"
    json = "json"


def backends(
    form: Annotated[
        Format, typer.Option("--format", help="JSON has all there is to know.")
    ] = Format.table,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    config: ConfigFile = None,  # noqa: ARG001
) -> None:
    """List the detection methods, in the order in which to try them."""
    methods = freshet.backends()
    if as_json or form is Format.json:
        typer.echo(json.dumps([dataclasses.asdict(method) for method in methods], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("BACKEND", "SPEED", "MEMORY", "BEST FOR", "PARAMETERS"):
        # The identifiers are for copying, so they stay in one piece.
        # A name of a parameter that does not fit is broken, not cut off.
        table.add_column(heading, no_wrap=heading == "BACKEND", overflow="fold")
    for method in methods:
        table.add_row(
            method.backend,
            method.speed.replace("_", " "),
            method.memory,
            method.best_for,
            ", ".join(method.parameters) or "-",
        )
    Console(highlight=False).print(table)
