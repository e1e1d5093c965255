"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freshet.cli._completion import series_names

__all__ = ["Dataset", "Out", "TimestampColumn"]

#: A series of NAB by its name.
Dataset = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="NAME",
        autocompletion=series_names,
        help="A series of NAB instead of a file.",
    ),
]
#: Where rows are written.
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="Instead of standard output."),
]
#: The column of timestamps of a CSV file.
TimestampColumn = Annotated[
    str | None,
    typer.Option(
        "--timestamp-column",
        metavar="NAME",
        help="Found by its name or its values if not given.",
    ),
]
