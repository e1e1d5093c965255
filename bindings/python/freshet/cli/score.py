"""``freshet score``."""

from __future__ import annotations

import csv
import json
import math
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import typer

from freshet.cli._csv import AUTOMATIC
from freshet.cli._data import Data, load_dataset, read_file
from freshet.cli._output import replacing, text_output
from freshet.errors import ConfigurationError, DataError, about
from freshet.lstm import LSTMAutoencoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

EXAMPLES: Final = (
    "freshet score models/nyc_taxi data/nyc_taxi.csv > scores.csv",
    "freshet score models/nyc_taxi --dataset nyc_taxi --plot nyc_taxi.png --out scores.csv",
    "tail -n 500 log.csv | freshet score models/log - --timestamp-column at",
    "freshet score models/heat heat.csv --percentile 99 --format jsonl",
)

_WARM_UP: Final = "warmup"
_ROWS_AT_ONCE: Final = 4096


class Format(str, Enum):
    """How rows are written."""

    csv = "csv"
    jsonl = "jsonl"


def score(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="What freshet train has written.")
    ],
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="CSV with the bundle's columns, in any order; - for standard input.",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", metavar="NAME", help="A series of NAB instead of a file."),
    ] = None,
    timestamp_column: Annotated[
        str | None,
        typer.Option(
            "--timestamp-column",
            metavar="NAME",
            help="Found by its name or its values if not given.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Instead of standard output."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="CSV or a JSON object per line.")] = (
        Format.csv
    ),
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="Instead of the bundle's; larger errors are anomalies."),
    ] = None,
    percentile: Annotated[
        float | None,
        typer.Option(
            "--percentile",
            min=0.0,
            max=100.0,
            help="Put the threshold at this percentile of the training windows' errors.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw series and errors: .png, .svg, .pdf."),
    ] = None,
) -> None:
    """Score every row of a series with a bundle.

    Prints row (from 0), timestamp if there is one, the columns, error and label: warmup before the
    first full window, then normal or anomaly. A row's error is that of the window that ends there.
    """
    if (data is None) == (dataset is None):
        raise typer.BadParameter("expected a FILE or --dataset, one of them", param_hint="FILE")
    if threshold is not None and percentile is not None:
        raise typer.BadParameter("expected one of the two", param_hint="--threshold, --percentile")
    if threshold is not None and not math.isfinite(threshold):
        raise typer.BadParameter("expected a finite number", param_hint="--threshold")
    plot_format = None if plot is None else _plot_format(plot)
    model = LSTMAutoencoder.load(bundle)
    # The bundle has the number of the machine that trained it.
    model.n_threads = None
    if percentile is not None:
        model.set_percentile(percentile)
    limit = model.threshold_ if threshold is None else threshold
    columns = model.feature_names_in_.tolist()
    stamps = AUTOMATIC if timestamp_column is None else timestamp_column
    series = (
        read_file(data, columns, stamps)
        if data is not None
        else load_dataset(str(dataset), columns, stamps)
    )
    try:
        errors = model.score_rows(series)
    except DataError as error:
        raise about(series.source, error) from error
    with text_output(out) as file:
        _write(file, form, series, errors, limit)
    is_anomaly = errors > limit
    if plot is not None:
        from freshet.plotting import ErrorPicture, draw_errors

        figure = draw_errors(
            ErrorPicture(
                timestamps=series.times(),
                columns=series.columns,
                values=series.values,
                errors=errors,
                is_anomaly=is_anomaly,
                threshold=limit,
                windows=series.windows,
                title=f"{series.source} scored by {bundle}",
            )
        )
        with replacing(plot, "wb") as image:
            figure.savefig(image, format=plot_format)
    n_scored, n_anomalies = int(np.isfinite(errors).sum()), int(is_anomaly.sum())
    share = f" ({n_anomalies / n_scored:.1%})" if n_scored else ""
    typer.echo(
        f"{len(series):,} rows: {n_anomalies:,} anomalies{share}, {n_scored - n_anomalies:,} "
        f"normal, {len(series) - n_scored:,} in warm-up; threshold {limit:.6g}",
        err=True,
    )


def _plot_format(path: Path) -> str:
    """Return what the file's name asks for; found out before the work, not after it."""
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


def _write(
    file: IO[str],
    form: Format,
    series: Data,
    errors: npt.NDArray[np.float64],
    threshold: float,
) -> None:
    names = _names(series)
    rows = _rows(series, errors, threshold)
    if form is Format.jsonl:
        for row in rows:
            record = dict(zip(names, row, strict=True))
            file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
        return
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_shortest(cell) for cell in row])


def _names(series: Data) -> list[str]:
    """The names of what is written. A column keeps its own, whatever ours are."""
    before = ["row"] if series.timestamps is None else ["row", "timestamp"]
    ours = [
        f"freshet_{name}" if name in series.columns else name
        for name in (*before, "error", "label")
    ]
    return [*ours[:-2], *series.columns, *ours[-2:]]


def _rows(series: Data, errors: npt.NDArray[np.float64], threshold: float) -> Iterator[list[Any]]:
    for begin in range(0, len(series), _ROWS_AT_ONCE):
        part = slice(begin, begin + _ROWS_AT_ONCE)
        numbers = zip(series.values[part].tolist(), errors[part].tolist(), strict=True)
        for row, (values, error) in enumerate(numbers, start=begin):
            stamps = [] if series.timestamps is None else [series.timestamps[row]]
            if math.isnan(error):
                yield [row, *stamps, *values, None, _WARM_UP]
            else:
                yield [row, *stamps, *values, error, "anomaly" if error > threshold else "normal"]


def _shortest(cell: Any) -> Any:
    # Counts look like counts; every number is read back as it was.
    return repr(cell).removesuffix(".0") if isinstance(cell, float) else cell
