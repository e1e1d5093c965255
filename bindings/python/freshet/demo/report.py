"""What the demo says at the end: as text, as JSON, as a picture."""

from __future__ import annotations

import csv
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from freshet.demo import pipeline
from freshet.plotting import StreamPicture, draw_stream

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from matplotlib.figure import Figure

    from freshet.datasets import Dataset
    from freshet.demo.evaluation import Alarm, Evaluation, Window
    from freshet.demo.pipeline import Run

# Days on which the city was not its usual self but which NAB does not label. They count as false
# alarms all the same.
_UNLABELLED_HOLIDAYS: Final = {
    "2014-07-04": "Independence Day",
    "2014-09-01": "Labor Day",
    "2014-10-13": "Columbus Day",
    "2014-11-11": "Veterans Day",
    "2015-01-19": "Martin Luther King Day",
}
_SIMULATED: Final = "SIMULATED DATA, not New York's: the real series was not at hand"
_SOURCES: Final = {
    "FRESHET_DATA": "NAB, from $FRESHET_DATA",
    "cache": "NAB, from the cache of its download",
    "simulated": _SIMULATED,
}


@dataclass(frozen=True)
class Report:
    """Everything that is known at the end of a run."""

    dataset: Dataset
    backend: str
    seed: int
    run: Run
    evaluation: Evaluation
    seconds: float
    """How long the whole stream took."""

    @property
    def n_versions(self) -> int:
        """The number of models that scored at least one row."""
        return int(self.run.model_versions.max(initial=0))

    def latency_us(self) -> dict[str, float]:
        """Return percentiles of the time that one call of ``process`` took, in µs."""
        p50, p95, p99 = np.percentile(self.run.latencies_us, [50, 95, 99]).tolist()
        return {"p50": p50, "p95": p95, "p99": p99, "max": float(self.run.latencies_us.max())}


def to_text(report: Report, picture: str) -> str:
    """Return the report to be read; `picture` is where the plot went."""
    dataset, run, evaluation = report.dataset, report.run, report.evaluation
    times = dataset.timestamps
    latency = report.latency_us()
    n_cold = int(np.count_nonzero(~np.isfinite(run.scores)))
    n_calls = len(run.latencies_us)
    lines = [
        f"{dataset.name}: {len(dataset):,} points, {_minute(times[0])} to {_minute(times[-1])}",
        f"source        {_SOURCES[dataset.source]}",
        f"detector      {run.method}",
        f"cold start    {n_cold:,} points ({n_cold / pipeline.ROWS_PER_DAY:.0f} days)",
        "",
        f"labelled windows: {evaluation.n_found} of {len(evaluation.windows)} found",
    ]
    lines += [_window_line(window) for window in evaluation.windows]
    lines += [
        "",
        f"false alarms: {len(evaluation.false_alarms)} in {evaluation.weeks_scored:.1f} weeks, "
        f"{evaluation.false_alarms_per_week:.2f} per week",
    ]
    lines += [_alarm_line(dataset, alarm) for alarm in evaluation.false_alarms]
    lines += [
        "(an alarm is a run of anomalous rows; it ends after a day without one)",
        "",
        f"throughput    {len(dataset) / report.seconds:,.0f} points/s in all, "
        f"{n_calls / (run.latencies_us.sum() / 1e6):,.0f} calls of process()/s",
        f"process()     p50 {latency['p50']:.1f} µs, p95 {latency['p95']:.1f} µs, "
        f"p99 {latency['p99']:.1f} µs, max {latency['max']:,.0f} µs",
        f"models        {report.n_versions} version{'' if report.n_versions == 1 else 's'}, "
        f"{run.models}",
        f"plot          {picture}",
    ]
    if run.bundle is not None:
        lines.append(f"bundle        {run.bundle}")
    if dataset.is_simulated:
        lines = [f"*** {_SIMULATED} ***", *lines]
    return "\n".join(lines)


def to_dict(report: Report, picture: str) -> dict[str, Any]:
    """Return the report for programs, ready for JSON."""
    dataset, run, evaluation = report.dataset, report.run, report.evaluation
    return {
        "dataset": dataset.name,
        "source": dataset.source,
        "simulated": dataset.is_simulated,
        "n_points": len(dataset),
        "backend": report.backend,
        "seed": report.seed,
        "threshold": _finite(run.threshold),
        "n_cold_start": int(np.count_nonzero(~np.isfinite(run.scores))),
        "n_anomalous_rows": int(np.count_nonzero(run.is_anomaly)),
        "windows": [
            {
                "begin": str(window.begin),
                "end": str(window.end),
                "found": None if window.found is None else str(window.found),
                "hours_before_center": _hours_before_center(window),
                "peak_score": _finite(window.peak_score),
            }
            for window in evaluation.windows
        ],
        "n_found": evaluation.n_found,
        "alarms": [
            {
                "begin": str(alarm.begin),
                "end": str(alarm.end),
                "n_anomalies": alarm.n_anomalies,
                "peak_score": alarm.peak_score,
                "in_labelled_window": alarm.is_true,
            }
            for alarm in evaluation.alarms
        ],
        "n_false_alarms": len(evaluation.false_alarms),
        "false_alarms_per_week": _finite(evaluation.false_alarms_per_week),
        "seconds": report.seconds,
        "points_per_second": len(dataset) / report.seconds,
        "process_latency_us": report.latency_us(),
        "n_model_versions": report.n_versions,
        "plot": picture,
        "bundle": run.bundle,
    }


def write_verdicts(report: Report, path: Path) -> None:
    """Write a line for every point: what ``freshet dashboard`` shows."""
    dataset, run = report.dataset, report.run
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("timestamp", "rides", "score", "threshold", "is_anomaly", "model_version"))
        for row in zip(
            np.datetime_as_string(dataset.timestamps, unit="s").tolist(),
            dataset.values.tolist(),
            # Nothing stands for a score in cold start.
            ("" if np.isnan(one) else one for one in run.scores.tolist()),
            itertools.repeat(run.threshold),
            run.is_anomaly.tolist(),
            run.model_versions.tolist(),
            strict=False,
        ):
            writer.writerow(row)


def to_figure(report: Report) -> Figure:
    """Return the plot of series, score and anomalies."""
    dataset, run, evaluation = report.dataset, report.run, report.evaluation
    found = f"{evaluation.n_found} of {len(evaluation.windows)} labelled windows found"
    n_false = len(evaluation.false_alarms)
    title = f"{dataset.name} · {found} · {n_false} false alarm{'' if n_false == 1 else 's'}"
    if dataset.is_simulated:
        title = f"SIMULATED DATA · {title}"
    holidays = [(alarm.begin, _holiday(dataset, alarm)) for alarm in evaluation.false_alarms]
    return draw_stream(
        StreamPicture(
            timestamps=dataset.timestamps,
            values=dataset.values,
            scores=run.scores,
            is_anomaly=run.is_anomaly,
            threshold=run.threshold,
            model_versions=run.model_versions,
            windows=dataset.windows,
            alarms=[(alarm.begin, alarm.end, alarm.is_true) for alarm in evaluation.alarms],
            notes=[(begin, holiday) for begin, holiday in holidays if holiday],
            feature=None if run.comparisons is None else _percent_of_a_day(run.comparisons),
            title=title,
            value_label="rides per half hour",
            feature_label="% against the usual\n(mean of a day)",
        )
    )


def _percent_of_a_day(comparisons: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the rolling mean of a day of the comparisons, as a percentage of the usual."""
    day = pipeline.ROWS_PER_DAY
    percent = np.full(len(comparisons), np.nan)
    days = np.lib.stride_tricks.sliding_window_view(comparisons, day)
    percent[day - 1 :] = 100.0 * np.expm1(days.mean(axis=1))
    return percent


def _minute(moment: np.datetime64) -> str:
    return str(np.datetime_as_string(moment, unit="m")).replace("T", " ")


def _hours_before_center(window: Window) -> float | None:
    if window.found is None:
        return None
    return float((window.center - window.found) / np.timedelta64(1, "h"))


def _window_line(window: Window) -> str:
    line = f"  {_minute(window.begin)} to {_minute(window.end)}   "
    hours = _hours_before_center(window)
    if hours is None or window.found is None:
        return f"{line}missed{'':38}peak score {window.peak_score:.2f}"
    side = "before" if hours >= 0 else "after"
    return (
        f"{line}from {_minute(window.found)}, {abs(hours):4.1f} h {side} its centre   "
        f"peak score {window.peak_score:.2f}"
    )


def _alarm_line(dataset: Dataset, alarm: Alarm) -> str:
    line = (
        f"  {_minute(alarm.begin)} to {_minute(alarm.end)}   {alarm.n_anomalies} anomalous "
        f"row{'' if alarm.n_anomalies == 1 else 's'}, peak score {alarm.peak_score:.2f}"
    )
    holiday = _holiday(dataset, alarm)
    return f"{line}: {holiday}, which NAB does not label" if holiday else line


def _holiday(dataset: Dataset, alarm: Alarm) -> str | None:
    if dataset.is_simulated:
        return None
    days = np.arange(alarm.begin.astype("datetime64[D]"), alarm.end.astype("datetime64[D]") + 1)
    return next((name for day in days if (name := _UNLABELLED_HOLIDAYS.get(str(day)))), None)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
