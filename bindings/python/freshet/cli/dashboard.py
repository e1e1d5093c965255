"""``freshet dashboard``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from freshet.cli._config_option import ConfigFile
from freshet.cli._detector import column_names, numbers_of_rows
from freshet.cli._options import TimestampColumn

EXAMPLES: Final = (
    "freshet dashboard data/nyc_taxi.csv",
    "freshet dashboard data/nyc_taxi.csv --backend hbos --contamination 0.01 --rolling 12,48",
    "freshet dashboard models/nyc_taxi data/nyc_taxi.csv",
    "freshet dashboard scores.csv",
    "freshet dashboard --log freshet-data",
    "freshet dashboard --log postgresql+psycopg://user@host/database",
    "FRESHET_API_KEY=… freshet dashboard --url http://localhost:14345",
)


def dashboard(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[BUNDLE] [FILE]",
            help="A series as CSV, or what freshet score or detect has written; before a series, "
            "the bundle that scores it.",
        ),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(
            "--log",
            metavar="DIR|URL",
            help="The data directory of a service, or the URL of its --log. [freshet-data]",
        ),
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="A service, asked over HTTP.")
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key",
            metavar="KEY",
            envvar="FRESHET_API_KEY",
            help="For --url.",
            show_envvar=True,
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="A,B", help="Of the series; all that hold numbers."),
    ] = None,
    timestamp_column: TimestampColumn = None,
    backend: Annotated[
        str, typer.Option("--backend", metavar="NAME", help="What scores the series.")
    ] = "ecod",
    contamination: Annotated[
        float,
        typer.Option("--contamination", help="The share of anomalies expected in the series."),
    ] = 0.01,
    rolling: Annotated[
        str | None,
        typer.Option("--rolling", metavar="N,N", help="Widths of rolling statistics, in rows."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535)] = 8501,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Do not open a browser.")
    ] = False,
    config: ConfigFile = None,  # noqa: ARG001
) -> None:
    """Look at a stream and its verdicts in a browser.

    Reads the log of predictions of a service (--log, or --url over HTTP), a series that is streamed
    through a detector here, or a file of verdicts. docs/dashboard.md shows it.
    """
    from freshet.dashboard.contributions import REBUILDING
    from freshet.dashboard.options import MIN_CONTAMINATION, DetectorOptions, Options
    from freshet.dashboard.running import run

    file, bundle = _places(paths or [])
    if sum(one is not None for one in (log, url, file)) > 1:
        raise typer.BadParameter("expected one of FILE, --log and --url", param_hint="FILE")
    if backend not in REBUILDING:
        raise typer.BadParameter(
            f"{backend!r} is none of {', '.join(REBUILDING)}", param_hint="--backend"
        )
    if not MIN_CONTAMINATION <= contamination <= 0.5:
        raise typer.BadParameter(
            f"{contamination:g}, expected at least {MIN_CONTAMINATION:g} and at most 0.5",
            param_hint="--contamination",
        )
    widths = tuple(numbers_of_rows(rolling, "--rolling") or ())
    if any(width < 1 for width in widths):
        raise typer.BadParameter(f"{rolling!r}, expected 1 or more", param_hint="--rolling")
    names = column_names(columns)
    options = Options(
        log=log,
        url=url,
        file=None if file is None else str(file),
        bundle=None if bundle is None else str(bundle),
        columns=None if names is None else tuple(names),
        timestamp_column=timestamp_column,
        detector=DetectorOptions(
            backend=backend, contamination=contamination, rolling_windows=widths
        ),
    )
    run(options, host=host, port=port, api_key=api_key, has_browser=not no_browser)


def _places(paths: list[Path]) -> tuple[Path | None, Path | None]:
    """Return the file and the bundle."""
    if len(paths) > 2:
        raise typer.BadParameter(
            f"expected a FILE, or a BUNDLE and a FILE, not {len(paths)} of them", param_hint="FILE"
        )
    if not paths:
        return None, None
    *before, file = paths
    if not before and file.is_dir():
        raise typer.BadParameter(
            f"{file} is a directory: expected a file after a bundle, or --log {file} for the data "
            "directory of a service",
            param_hint="FILE",
        )
    return file, before[0] if before else None
