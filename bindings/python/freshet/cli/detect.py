"""``freshet detect``."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import typer

from freshet.cli._config_option import ConfigFile
from freshet.cli._csv import AUTOMATIC
from freshet.cli._data import Data, read_file
from freshet.cli._detector import DetectorOptions, with_detector
from freshet.cli._options import Out, TimestampColumn
from freshet.cli._output import as_table, text_output
from freshet.cli._picture import picture_format, write_picture
from freshet.cli._progress import showing_steps
from freshet.cli._rows import VERDICT, RowFormat, write_rows
from freshet.errors import DataError, about
from freshet.results import ResultBatch, Stats
from freshet.streaming import StreamingDetector

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES: Final = (
    "freshet detect data.csv",
    "freshet detect data.csv --contamination 0.01 --rolling 5,20 --plot data.png",
    "freshet detect data.csv --backend hbos --set n_bins=20 --format csv > verdicts.csv",
    "freshet detect data.csv --columns heat,load --out verdicts.jsonl",
    "freshet detect hosts.csv --schema host=onehot --config detect.toml",
    "zcat data.csv.gz | freshet detect - --format jsonl | jq 'select(.is_anomaly)'",
)

#: Few, for only between calls can Ctrl-C end it.
_ROWS_AT_ONCE: Final = 256
#: Anomalies and columns beyond would hide what there is to see.
_MAX_ANOMALIES: Final = 50
_MAX_COLUMNS: Final = 6


class Format(str, Enum):
    """What is written."""

    table = "table"
    csv = "csv"
    jsonl = "jsonl"


@with_detector
def detect(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="CSV with the names of the columns; - for standard input."
        ),
    ],
    *,
    detector: DetectorOptions,
    timestamp_column: TimestampColumn = None,
    out: Out = None,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="Every row as CSV or as a JSON object per line, or a table of the anomalies. If "
            "not given, what the name of --out ends in; a table on a terminal, CSV elsewhere.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw series and scores: .png, .svg, .pdf."),
    ] = None,
    config: ConfigFile = None,  # noqa: ARG001
) -> None:
    """Find the anomalies in a file, row by row.

    Each row is scored by a model of the rows before it, which is trained anew as rows come. The
    file is read to its end first; freshet stream is for what has none.

    CSV and JSON have row (from 0), timestamp if there is one, the columns, score, raw_score,
    is_anomaly, alarm, status and model_version; scores are empty before the first training.
    """
    form = form or _format_for(out)
    plot_format = None if plot is None else picture_format(plot)
    settings = {"retrain": "inline", **detector.settings()}
    categories = _categories(settings)
    # Made once to have the settings refused before a long file is read.
    StreamingDetector(**settings)
    names = detector.names()
    series = read_file(
        data,
        None if names is None else [name for name in names if name not in categories],
        AUTOMATIC if timestamp_column is None else timestamp_column,
        categories,
    )
    stream = StreamingDetector(columns=[*series.columns, *series.texts], **settings)
    try:
        # Files that are out of order are common, so that it matters only to who asks for it.
        times = _times(series) if "out_of_order" in settings else None
        results = _processed(stream, series, times)
    except DataError as error:
        raise about(series.source, error) from error
    summary = _summary(series, results, stream)
    with text_output(out) as file:
        if form is Format.table:
            file.writelines(f"{line}\n" for line in (*_table(series, results), summary))
        else:
            write_rows(file, RowFormat(form.value), series, _verdicts(results))
    if form is not Format.table:
        typer.echo(summary, err=True)
    if plot is not None and plot_format is not None:
        from freshet.plotting import plot as draw

        figure = draw(
            results,
            series.values if series.columns else None,
            columns=series.columns,
            timestamps=series.times(),
            threshold=stream.stats().threshold,
            title=f"{series.source} by {settings.get('backend', 'ecod')}",
        )
        write_picture(figure, plot, plot_format)


def _format_for(out: Path | None) -> Format:
    if out is None:
        return Format.table if sys.stdout.isatty() else Format.csv
    return Format.jsonl if out.suffix.lower() in (".jsonl", ".ndjson") else Format.csv


def _categories(settings: dict[str, Any]) -> list[str]:
    """Return the columns that are read as texts."""
    schema = settings.get("schema")
    if not isinstance(schema, dict):
        return []
    return [
        name
        for name, encoding in schema.items()
        if (encoding.get("encoding") if isinstance(encoding, dict) else encoding) != "numeric"
    ]


def _times(series: Data) -> Any:
    """Return the timestamps, which are needed; about() names the file in what this raises."""
    times = series.moments()
    if times is None:
        found = "no timestamps" if series.timestamps is None else "timestamps of no known form"
        raise DataError(
            f"{found}, which out_of_order is about",
            id="timestamp_invalid",
            field="out_of_order",
            expected="a column of numbers or of dates in ISO 8601",
        )
    return times


def _processed(stream: StreamingDetector, series: Data, times: Any) -> ResultBatch:
    """Return the verdicts on all rows."""
    parts = []
    with showing_steps(len(series), "rows") as on_progress:
        for begin in range(0, len(series), _ROWS_AT_ONCE):
            part = slice(begin, begin + _ROWS_AT_ONCE)
            rows: Any = series.values[part]
            if series.texts:
                columns = [*rows.T.tolist(), *(cells[part] for cells in series.texts.values())]
                rows = list(zip(*columns, strict=True))
            results = stream.process_many(rows, None if times is None else times[part])
            parts.append(results.records.tobytes())
            on_progress(min(part.stop, len(series)))
    return ResultBatch.from_records(b"".join(parts))


def _verdicts(results: ResultBatch) -> dict[str, Any]:
    verdicts = {name: getattr(results, name) for name in VERDICT}
    for name in ("is_anomaly", "alarm"):  # Neither before the first training.
        verdicts[name] = np.where(results.scored, verdicts[name], None)
    return verdicts


def _table(series: Data, results: ResultBatch) -> Iterator[str]:
    """Yield a line for each anomaly, or for those with the highest scores."""
    found = np.flatnonzero(results.is_anomaly)
    if not found.size:
        return
    highest = found[np.argsort(-results.score[found], kind="stable")[:_MAX_ANOMALIES]]
    columns = series.columns[:_MAX_COLUMNS]
    texts = list(series.texts)[: _MAX_COLUMNS - len(columns)]
    stamps = () if series.timestamps is None else ("TIMESTAMP",)
    lines = [("ROW", *stamps, *columns, *texts, "SCORE", "RAW SCORE", "MODEL")]
    for row in np.sort(highest).tolist():
        values = series.values[row, : len(columns)].tolist()
        result = results[row]
        lines.append(
            (
                str(row),
                *(() if series.timestamps is None else (series.timestamps[row],)),
                *(f"{value:.6g}" for value in values),
                *(series.texts[name][row] for name in texts),
                f"{result.score:.4f}",
                f"{result.raw_score:.6g}",
                f"v{result.model_version}",
            )
        )
    yield from (line.rstrip() for line in as_table(lines))
    n_left = found.size - highest.size
    if n_left:
        yield f"and {n_left:,} with lower scores, which --format csv shows"
    yield ""


def _summary(series: Data, results: ResultBatch, stream: StreamingDetector) -> str:
    n_scored, n_anomalies = int(results.scored.sum()), int(results.is_anomaly.sum())
    share = f" ({n_anomalies / n_scored:.1%})" if n_scored else ""
    stats: Stats = stream.stats()
    told = (
        f"{len(series):,} rows: {n_anomalies:,} anomalies{share}, {n_scored - n_anomalies:,} "
        f"normal, {len(series) - n_scored:,} not scored; "
        f"model version {stats.model_version}"
    )
    if stats.threshold is not None:
        told += f", threshold {stats.threshold:.6g}"
    if stats.failed_retrains:
        told += f"; {stats.failed_retrains:,} trainings failed, the last one: {stats.last_error}"
    return told
