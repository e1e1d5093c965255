"""Files of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from freshet.cli._output import replacing
from freshet.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

__all__ = ["picture_format", "write_picture"]


def picture_format(path: Path) -> str:
    """Return what the file's name asks for; found out before the work, not after it.

    Raises
    ------
    ConfigurationError
        If Matplotlib is not installed.
    typer.BadParameter
        If the name has no ending of a picture.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
    except ImportError as error:
        raise ConfigurationError(
            "--plot needs Matplotlib: pip install 'freshet[plot]'",
            id="parameter_out_of_range",
            field="plot",
            expected="Matplotlib to be installed",
        ) from error
    formats = FigureCanvasAgg.get_supported_filetypes()
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in formats:
        endings = ", ".join(f".{name}" for name in sorted(formats))
        raise typer.BadParameter(
            f"{str(path)!r} has none of the endings {endings}", param_hint="--plot"
        )
    return suffix


def write_picture(figure: Figure, path: Path, form: str) -> None:
    """Write a figure in place of `path`."""
    with replacing(path, "wb") as image:
        figure.savefig(image, format=form)
