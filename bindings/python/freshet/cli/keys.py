"""``freshet keys``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from freshet.cli._output import as_table

if TYPE_CHECKING:
    from freshet.server.keys import KeyFile

CREATE_EXAMPLES: Final = ("freshet keys create pumps --scope read --scope write --prefix pump-",)
LIST_EXAMPLES: Final = ("freshet keys list --data-dir /var/lib/freshet",)
REVOKE_EXAMPLES: Final = ("freshet keys revoke 3f0c9a11d2e4",)
EXAMPLES: Final = (*CREATE_EXAMPLES, *LIST_EXAMPLES, *REVOKE_EXAMPLES)

_Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="The TOML file of the service."),
]
_DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="PATH", help="The directory of the service."),
]


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")],
    scopes: Annotated[
        list[str],
        typer.Option(
            "--scope",
            metavar="[read|write|admin]",
            help="What it allows: to look, to send data, to delete and reset. May come several "
            "times, for none includes another.",
        ),
    ],
    prefixes: Annotated[
        list[str] | None,
        typer.Option(
            "--prefix",
            metavar="TEXT",
            help="How the names of its streams begin; may come several times. All streams if not "
            "given.",
        ),
    ] = None,
    config: _Config = None,
    data_dir: _DataDir = None,
) -> None:
    """Make a key and print it: this once, for only its hash is kept.

    A running service knows it a second later.
    """
    key, text = _file(config, data_dir).create(name, scopes, prefixes or ())
    typer.echo(f"the key {key.id}, which cannot be shown again:", err=True)
    typer.echo(text)


def show(config: _Config = None, data_dir: _DataDir = None) -> None:
    """List the keys."""
    rows = [("ID", "NAME", "SCOPES", "PREFIXES", "CREATED")]
    rows += [
        (key.id, key.name, ",".join(key.scopes), ",".join(key.prefixes) or "-", key.created)
        for key in _file(config, data_dir).read()
    ]
    for line in as_table(rows):
        typer.echo(line.rstrip())


def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As the list has it.")],
    config: _Config = None,
    data_dir: _DataDir = None,
) -> None:
    """Delete a key; a running service refuses it a second later."""
    key = _file(config, data_dir).revoke(key_id)
    typer.echo(f"{key.id} ({key.name}) is revoked")


def _file(config: Path | None, data_dir: Path | None) -> KeyFile:
    from freshet.server.configuration import read_settings
    from freshet.server.keys import KeyFile

    return KeyFile(read_settings(config, {"data_dir": data_dir}).keys_path)
