"""``freshet stream``."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from freshet.cli._config_option import ConfigFile
from freshet.cli._detector import DetectorOptions, with_detector
from freshet.cli._errors import FAILURE
from freshet.cli._input import standard_input
from freshet.cli._interruption import Interruption, interruption
from freshet.cli._json_rows import BadLineError, JsonRows, Row
from freshet.cli._output import replacing
from freshet.cli._rows import VERDICT, own_name
from freshet.errors import ConfigurationError, DataError, SnapshotError, about
from freshet.streaming import StreamingDetector

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES: Final = (
    "tail -f metrics.jsonl | freshet stream",
    "tail -f metrics.jsonl | freshet stream --only-anomalies --columns cpu,memory",
    "freshet stream --state metrics.freshet --contamination 0.001 < metrics.jsonl",
    "journalctl -f -o json | freshet stream --columns PRIORITY --config stream.toml",
)

_LONGEST_LINE: Final = 1 << 20
#: Bad lines beyond are told of at 100, 1,000, ...
_N_WARNINGS: Final = 10


@with_detector
def stream(
    *,
    detector: DetectorOptions,
    timestamp_field: Annotated[
        str | None,
        typer.Option(
            "--timestamp-field",
            metavar="NAME",
            help="Seconds, or a date in ISO 8601; a row earlier than the one before is a bad line.",
        ),
    ] = None,
    only_anomalies: Annotated[
        bool, typer.Option("--only-anomalies", help="Print no other rows.")
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            metavar="FILE",
            help="Go on from this file if it is there, and keep in it what was learnt.",
        ),
    ] = None,
    save_every: Annotated[
        int,
        typer.Option("--save-every", min=1, metavar="N", help="Rows between savings of --state."),
    ] = 1000,
    config: ConfigFile = None,  # noqa: ARG001
) -> None:
    """Find the anomalies in lines of JSON as they come.

    Reads an object or an array per line from standard input. Prints each row at once: its fields,
    then line (from 1), score, raw_score, is_anomaly, alarm, status and model_version. Columns are
    the fields that are numbers in the first row, unless --columns names them.

    A bad line is left out, told of on standard error and counted. Ctrl-C ends the program after the
    row at hand, as SIGTERM does.
    """
    file = standard_input()
    found = _detector(detector, state)
    rows = JsonRows(
        found.columns or detector.names(), list(found.settings["schema"] or ()), timestamp_field
    )
    count = _Count()
    with interruption() as signals:
        try:
            for row in _rows(file, signals, rows, count):
                _answer(found, rows, row, count, only_anomalies=only_anomalies)
                if state is not None and count.rows % save_every == 0:
                    _save(found, state)
        finally:
            if state is not None:
                _save(found, state)
    typer.echo(count.summary(found), err=True)
    if signals.number is not None:
        raise typer.Exit(128 + signals.number)
    if count.bad and not count.rows:
        raise typer.Exit(FAILURE)


@dataclass
class _Count:
    """What came so far."""

    lines: int = 0
    rows: int = 0
    bad: int = 0
    scored: int = 0
    anomalies: int = 0

    def warn(self, why: str) -> None:
        """Count the line at hand as a bad one, and tell of it unless there were many."""
        self.bad += 1
        if self.bad > _N_WARNINGS and str(self.bad).rstrip("0") != "1":
            return
        so_far = ""
        if self.bad >= _N_WARNINGS:
            so_far = f" ({self.bad:,} bad lines so far, told of again at {self.bad * 10:,})"
        typer.echo(f"freshet: line {self.lines}: {why}{so_far}", err=True)

    def summary(self, detector: StreamingDetector) -> str:
        """Return all of it in a line."""
        share = f" ({self.anomalies / self.scored:.1%})" if self.scored else ""
        stats = detector.stats()
        failed = f"; {stats.failed_retrains:,} trainings failed" if stats.failed_retrains else ""
        return (
            f"{self.rows:,} rows: {self.anomalies:,} anomalies{share}, "
            f"{self.scored - self.anomalies:,} normal, {self.rows - self.scored:,} not scored; "
            f"{self.bad:,} bad lines; model version {stats.model_version}{failed}"
        )


def _rows(file: BinaryIO, signals: Interruption, rows: JsonRows, count: _Count) -> Iterator[Row]:
    """Yield the row of each line that has one."""
    while line := signals.read_line(file, _LONGEST_LINE):
        count.lines += 1
        is_whole = line.endswith(b"\n") or len(line) < _LONGEST_LINE
        while not line.endswith(b"\n"):  # The rest of a line that is too long.
            more = signals.read_line(file, _LONGEST_LINE)
            if not more:
                break
            line = more
        if not is_whole:
            count.warn(f"longer than {_LONGEST_LINE:,} bytes")
            continue
        if line.isspace():
            continue
        try:
            yield rows.row(line)
        except BadLineError as error:
            count.warn(str(error))


def _answer(
    detector: StreamingDetector,
    rows: JsonRows,
    row: Row,
    count: _Count,
    *,
    only_anomalies: bool,
) -> None:
    """Process a row and print what came of it."""
    try:
        # Before anything changes: what cannot be printed is no row.
        fields = json.dumps(row.fields, ensure_ascii=False, allow_nan=False)
        result = detector.process(row.cells, row.timestamp)
    except DataError as error:
        # Each row is the only one of its batch.
        count.warn(re.sub(r"^row 0(, |: | )", "", str(error)))
        return
    except ValueError:
        count.warn("a number too large for JSON")
        return
    rows.keep(row)
    count.rows += 1
    count.scored += result.score is not None
    count.anomalies += bool(result.is_anomaly)
    if only_anomalies and not result.is_anomaly:
        return
    verdict = {"line": count.lines, **{name: getattr(result, name) for name in VERDICT}}
    ours = json.dumps({own_name(name, row.fields): value for name, value in verdict.items()})
    # Lone surrogates, which JSON can have and UTF-8 cannot, are escaped as they were.
    text = f"{fields[:-1]}, {ours[1:]}\n".encode("utf-8", "backslashreplace")
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


def _detector(options: DetectorOptions, state: Path | None) -> StreamingDetector:
    """Return the detector of the file, or a new one."""
    given, columns = options.settings(), options.names()
    new = StreamingDetector(columns=columns, **{"retrain": "background", **given})
    if state is None:
        return new
    if not state.exists():
        _save(new, state)  # What cannot be written is better known now.
        return new
    try:
        old = StreamingDetector.restore(state.read_bytes())
    except SnapshotError as error:
        raise about(str(state), error) from error
    wanted, has = new.settings, old.settings
    for name in [*given, *([] if columns is None else ["columns"])]:
        if wanted[name] != has[name]:
            raise ConfigurationError(
                f"{state} was made with {name} {has[name]!r}, expected the same or another file",
                id="parameter_out_of_range",
                field=name,
                expected=repr(has[name]),
            )
    return old


def _save(detector: StreamingDetector, state: Path) -> None:
    data: Any = detector.snapshot()
    with replacing(state, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
