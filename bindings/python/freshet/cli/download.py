"""``freshet download``."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from freshet import datasets
from freshet.cli import _completion
from freshet.cli._config_option import ConfigFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from freshet.datasets import Progress

EXAMPLES: Final = (
    "freshet download nyc_taxi --out data/nyc_taxi.csv",
    "freshet download nyc_taxi machine_temperature_system_failure --out data",
    "freshet download realKnownCause --out data --labels labels.json",
    "freshet download all --out data --mirror ../NAB",
)


def download(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            autocompletion=_completion.downloads,
            help="Series, groups of series, or 'all'.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE_OR_DIRECTORY",
            help="A file ending in .csv for one series, or a directory for a NAME.csv each.",
        ),
    ] = Path("."),
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="FILE",
            help="Where the labelled windows go; combined_windows.json beside the series if not "
            "given. The windows of earlier downloads stay in the file.",
            show_default=False,
        ),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            "--mirror",
            metavar="DIRECTORY_OR_URL",
            help="A copy of NAB (data/GROUP/NAME.csv) to take the place of its repository; "
            "$FRESHET_DATA if that is set.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that have other content.")
    ] = False,
    list_series: Annotated[
        bool, typer.Option("--list", help="List the series by group and exit.")
    ] = False,
    config: ConfigFile = None,  # noqa: ARG001
) -> None:
    """Download labelled series of the Numenta Anomaly Benchmark.

    Files are verified, and kept in $XDG_CACHE_HOME/freshet (~/.cache/freshet). What is there
    already is not downloaded again; a download that broke off goes on where it stopped.
    """
    if list_series:
        for group, members in datasets.list_nab().items():
            typer.echo("\n  ".join((group, *members)))
        return
    if not names:
        raise typer.BadParameter(
            "at least one series, group or 'all' is needed; --list shows them", param_hint="NAME"
        )
    with _progress() as progress:
        downloads = datasets.download_nab(
            names, out, labels=labels, mirror=mirror, overwrite=overwrite, progress=progress
        )
    for done in downloads:
        state = "" if done.is_new else ", was there already"
        windows = "window" if done.n_windows == 1 else "windows"
        typer.echo(
            f"{done.path}: {done.n_points:,} points, {done.n_windows} labelled {windows} in "
            f"{done.labels_path}{state}"
        )


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """Yield what to call during downloads: it moves a bar on a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    tasks: dict[str, TaskID] = {}
    with Bars(
        *columns, TransferSpeedColumn(), console=Console(stderr=True), transient=True
    ) as bars:

        def advance(path: str, n_bytes: int, n_total: int | None) -> None:
            if path not in tasks:
                tasks[path] = bars.add_task(path, total=n_total)
            # One at a time: without an end, all of `all` would not fit the screen.
            is_done = n_bytes == n_total
            bars.update(tasks[path], completed=n_bytes, total=n_total, visible=not is_done)

        yield advance
