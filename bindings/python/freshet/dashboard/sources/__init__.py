"""Where verdicts come from."""

from __future__ import annotations

import contextlib
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from freshet.dashboard.options import API_KEY_VARIABLE

if TYPE_CHECKING:
    from freshet.dashboard.options import DetectorOptions, Options
    from freshet.dashboard.sources.source import Source

__all__ = ["open_source", "preload"]


def open_source(options: Options, detector: DetectorOptions) -> Source:
    """Return the source that the dashboard was started with.

    Parameters
    ----------
    options : Options
    detector : DetectorOptions
        What a series is streamed through, which the page can change.

    Raises
    ------
    Exception
        Whatever `as_problem` knows, if it cannot be opened.
    """
    if options.url is not None:
        from freshet.dashboard.sources.service import ServiceSource

        return ServiceSource(options.url, os.environ.get(API_KEY_VARIABLE))
    if options.file is not None:
        return _open_file(Path(options.file), options, detector)
    from freshet.dashboard.sources.log import open_log

    return open_log(options.log or "freshet-data")


def preload(options: Options) -> None:
    """Import what `open_source` will need, if it is there; the first look then waits less."""
    if options.url is not None:
        names = ["service"]
    else:
        names = ["log"] if options.file is None else ["series", "verdicts"]
    # What is missing is told where it is looked at.
    with contextlib.suppress(ImportError):
        for name in names:
            importlib.import_module(f"freshet.dashboard.sources.{name}")


def _open_file(path: Path, options: Options, detector: DetectorOptions) -> Source:
    from freshet.dashboard.sources.series import SeriesSource
    from freshet.dashboard.sources.verdicts import VerdictSource, holds_verdicts

    if options.bundle is None and holds_verdicts(path):
        return VerdictSource(path)
    return SeriesSource(
        path, detector, bundle=options.bundle, columns=options.columns,
        timestamp_column=options.timestamp_column,
    )  # fmt: skip
