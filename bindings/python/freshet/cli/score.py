"""``freshet score``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from freshet.cli._config_option import ConfigFile
from freshet.cli._csv import AUTOMATIC
from freshet.cli._data import load_dataset, read_file
from freshet.cli._options import Dataset, Out, TimestampColumn
from freshet.cli._output import text_output
from freshet.cli._picture import picture_format, write_picture
from freshet.cli._rows import RowFormat, write_rows
from freshet.errors import DataError, about
from freshet.lstm import LSTMAutoencoder

EXAMPLES: Final = (
    "freshet score models/nyc_taxi data/nyc_taxi.csv > scores.csv",
    "freshet score models/nyc_taxi --dataset nyc_taxi --plot nyc_taxi.png --out scores.csv",
    "tail -n 500 log.csv | freshet score models/log - --timestamp-column at",
    "freshet score models/heat heat.csv --percentile 99 --format jsonl",
)


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
    dataset: Dataset = None,
    timestamp_column: TimestampColumn = None,
    out: Out = None,
    form: Annotated[RowFormat, typer.Option("--format", help="CSV or a JSON object per line.")] = (
        RowFormat.csv
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
    config: ConfigFile = None,  # noqa: ARG001
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
    plot_format = None if plot is None else picture_format(plot)
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
    is_anomaly = errors > limit
    label = np.where(np.isnan(errors), "warmup", np.where(is_anomaly, "anomaly", "normal"))
    with text_output(out) as file:
        write_rows(file, form, series, {"error": errors, "label": label})
    if plot is not None and plot_format is not None:
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
        write_picture(figure, plot, plot_format)
    n_scored, n_anomalies = int(np.isfinite(errors).sum()), int(is_anomaly.sum())
    share = f" ({n_anomalies / n_scored:.1%})" if n_scored else ""
    typer.echo(
        f"{len(series):,} rows: {n_anomalies:,} anomalies{share}, {n_scored - n_anomalies:,} "
        f"normal, {len(series) - n_scored:,} in warm-up; threshold {limit:.6g}",
        err=True,
    )
