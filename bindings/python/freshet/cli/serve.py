"""``freshet serve``."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import typer
from typer.core import TyperCommand

EXAMPLES: Final = (
    "freshet serve",
    "freshet serve --data-dir /var/lib/freshet --models-dir models",
    "freshet serve --store redis://localhost:6379/0 --log mongodb://localhost/freshet",
    "FRESHET_PORT=8000 freshet serve --config freshet.toml --durability relaxed",
    "freshet serve --print-config > freshet.toml",
)


def serve() -> None:
    """Serve detection over HTTP.

    Options take precedence over environment variables (FRESHET_PORT for --port), and these over the
    file of --config or FRESHET_CONFIG. docs/service.md explains the settings.
    """


class ServeCommand(TyperCommand):
    """A command whose options are the settings of the service.

    They are looked up when the command is run, for they need more packages than other commands.
    """

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Hand over to a command with the options."""
        return _command(self).make_context(*args, **kwargs)


def _command(outline: TyperCommand) -> Any:
    from freshet.server.settings import ServerSettings

    options = {
        "config": Annotated[
            Path | None, typer.Option("--config", "-c", metavar="FILE", help="TOML.")
        ],
        "print_config": Annotated[
            bool, typer.Option("--print-config", help="Print the settings as TOML and exit.")
        ],
    }
    for name, field in ServerSettings.model_fields.items():
        # As text, as in a variable: what it means is for the settings to say.
        options[name] = Annotated[
            str | None,
            typer.Option(
                f"--{name.replace('_', '-')}",
                metavar=_metavar(field.annotation),
                help=f"{field.description} [{_default(field.default)}]",
                show_default=False,
            ),
        ]

    def run(config: Path | None, print_config: bool, **given: str | None) -> None:
        _serve(config, given, is_printing=print_config)

    # What Typer makes options of.
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=annotation,
                default=False if name == "print_config" else None,
            )
            for name, annotation in options.items()
        ]
    )
    run.__annotations__ = options
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(
        outline.name,
        help=outline.help,
        epilog=outline.epilog,
        context_settings={"help_option_names": ["--help", "-h"]},
    )(run)
    return typer.main.get_command(app)


def _serve(config: Path | None, given: dict[str, str | None], *, is_printing: bool) -> None:
    from freshet.server.configuration import as_toml, read_settings

    settings = read_settings(config, given)
    if is_printing:
        typer.echo(as_toml(settings), nl=False)
        return
    from freshet.server.running import run

    run(settings)


def _metavar(annotation: Any) -> str:
    kinds = [one for one in get_args(annotation) if one is not type(None)] or [annotation]
    if get_origin(annotation) is Literal:
        return f"[{'|'.join(get_args(annotation))}]"
    if get_origin(annotation) is tuple:
        return "A,B"
    if get_origin(annotation) is dict:
        return "A=B,C=D"
    return {int: "INTEGER", float: "NUMBER", Path: "PATH"}.get(kinds[0], "TEXT")


def _default(value: Any) -> str:
    return "none" if value in (None, (), {}) else str(value)
