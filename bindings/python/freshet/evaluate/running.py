"""Evaluations: detectors, or what they have found, against labels."""

from __future__ import annotations

import operator
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from freshet.errors import Error, about
from freshet.evaluate.measures import Quality, by_ranges, by_rows, flags_of, vus_pr
from freshet.evaluate.scoring import PROFILES, NabScore, nab_score, probation
from freshet.evaluate.series import Series, load_series
from freshet.pool import DetectorPool

__all__ = ["Configuration", "Evaluation", "Findings", "detect", "evaluate", "nab"]

_Scores = Mapping[str, npt.NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Findings:
    """What is to be evaluated.

    Attributes
    ----------
    name : str
        What it is called in reports.
    settings : mapping or None
        Of a `StreamingDetector`; None for scores from elsewhere.
    scores : mapping
        From a series' name to the scores of its rows, larger being more abnormal; NaN for none.
    seconds : float or None
        What scoring took in all, trainings included.
    """

    name: str
    scores: _Scores
    settings: Mapping[str, Any] | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """How good findings are.

    Attributes
    ----------
    name : str
    settings : mapping or None
    nab : mapping
        From a profile's name to a `NabScore` at the profile's best threshold.
    rows, ranges : Quality
        Of all series together at the best threshold of NAB's standard profile, without the rows of
        probation; ranges as the mean over the series that have anomalies.
    vus_pr : float
        The mean over the series that have anomalies after their probation.
    seconds : float or None
    n_rows : int
    """

    name: str
    settings: Mapping[str, Any] | None
    nab: Mapping[str, NabScore]
    rows: Quality
    ranges: Quality
    vus_pr: float
    n_rows: int
    seconds: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The attributes as a dict, ready for JSON."""
        found = asdict(self)
        for name, quality in (("rows", self.rows), ("ranges", self.ranges)):
            found[name]["f1"] = quality.f1
        return found


@dataclass(frozen=True)
class Configuration:
    """A detector to be run over series.

    Attributes
    ----------
    name : str
    settings : mapping
        Arguments of `StreamingDetector`. Where they say nothing, the first training comes with the
        end of a series' probation, and models are trained on the calling thread, so that results
        are repeatable. A `window_size` below the probation brings the first training forward; left
        out, it is 1000 or `min_samples` if that is more.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def scores(self, series: Series) -> npt.NDArray[np.float64]:
        """Return the scores of a series' rows; NaN in cold start."""
        settings: dict[str, Any] = {"retrain": "inline", **self.settings}
        if settings.get("min_samples") is None:
            first = max(probation(len(series.values)), _whole(settings.get("shingle", 1)) + 1, 10)
            # No more than a window that was asked for holds, which is not to grow in silence.
            window_size = _whole(settings.get("window_size", 0))
            settings["min_samples"] = min(first, window_size) if window_size > 0 else first
        if settings.get("window_size") is None:
            settings["window_size"] = max(1000, _whole(settings["min_samples"]))
        return DetectorPool(**settings).process_many(series.name, series.values[:, None]).score


def _whole(value: Any) -> int:
    """An integer; 0 for anything else, which the detector refuses."""
    try:
        return operator.index(value)
    except TypeError:
        return 0


def detect(
    configurations: Sequence[Configuration],
    series: Sequence[Series],
    *,
    n_jobs: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Findings]:
    """Run detectors over series, several at once.

    Parameters
    ----------
    configurations, series
    n_jobs : int, optional
        Threads; one for each processor if not given. Does not change the result.
    on_progress : callable, optional
        Called with the numbers of series done and of all.

    Raises
    ------
    Error
        What a detector raises, with the series that it was about.
    """

    def run(configuration: Configuration, one: Series) -> tuple[npt.NDArray[np.float64], float]:
        began = time.perf_counter()
        try:
            scores = configuration.scores(one)
        except Error as error:
            raise about(f"{configuration.name}, {one.name}", error) from error
        return scores, time.perf_counter() - began

    with ThreadPoolExecutor(n_jobs or os.cpu_count()) as threads:
        waiting = [[threads.submit(run, one, each) for each in series] for one in configurations]
        futures = [future for some in waiting for future in some]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()  # Raises what it has.
                if on_progress is not None:
                    on_progress(done, len(futures))
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    return [
        Findings(
            one.name,
            {each.name: future.result()[0] for each, future in zip(series, some, strict=True)},
            one.settings,
            sum(future.result()[1] for future in some),
        )
        for one, some in zip(configurations, waiting, strict=True)
    ]


def evaluate(findings: Findings, series: Sequence[Series]) -> Evaluation:
    """Hold findings against the labels of series.

    Raises
    ------
    DataError
        If no series has an anomaly after its probation.
    """
    files = [one.labelled(findings.scores[one.name]) for one in series]
    scores = {name: nab_score(files, profile) for name, profile in PROFILES.items()}
    best = scores["standard"].threshold
    threshold = np.inf if best is None else best
    flagged, labels, ranges, volumes = [], [], [], []
    for file in files:
        begin = probation(len(file.scores))
        found = np.nan_to_num(file.scores[begin:], nan=-np.inf)
        windows = [
            (max(first - begin, 0), last - begin) for first, last in file.windows if last >= begin
        ]
        is_flagged = found >= threshold
        flagged.append(is_flagged)
        labels.append(flags_of(windows, len(found)))
        if windows:
            ranges.append(by_ranges(is_flagged, windows))
            volumes.append(vus_pr(found, windows))
    return Evaluation(
        name=findings.name,
        settings=None if findings.settings is None else dict(findings.settings),
        nab=scores,
        rows=by_rows(np.concatenate(flagged), np.concatenate(labels)),
        ranges=Quality(
            float(np.mean([one.precision for one in ranges])),
            float(np.mean([one.recall for one in ranges])),
        ),
        vus_pr=float(np.mean(volumes)),
        seconds=findings.seconds,
        n_rows=sum(len(file.scores) for file in files),
    )


def nab(directory: str | os.PathLike[str], backend: str = "ecod", **settings: Any) -> Evaluation:
    """Run a detector over all series of a directory laid out as NAB is, and evaluate it.

    Parameters
    ----------
    directory : path
        With ``data/GROUP/NAME.csv`` and ``labels/combined_windows.json``.
    backend : str, default "ecod"
    **settings
        Further arguments of `StreamingDetector`.

    Returns
    -------
    Evaluation

    Raises
    ------
    DatasetError
        If there are no series, a file is damaged or has no labels.
    ConfigurationError
        If a setting is out of range.
    """
    series = load_series(Path(directory))
    (findings,) = detect([Configuration(backend, {"backend": backend, **settings})], series)
    return evaluate(findings, series)
