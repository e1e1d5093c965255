"""How good a detector is on labelled series.

`nab` runs a detector over a directory of series and scores it as the Numenta Anomaly Benchmark
does, and by other measures beside; `detect` and `evaluate` are its two halves, for several
detectors at once and for the scores of others (`read_scores`). ``freshet evaluate`` does it from
the command line.
"""

from freshet.evaluate.frames import to_pandas, to_polars
from freshet.evaluate.measures import Quality, by_ranges, by_rows, vus_pr
from freshet.evaluate.running import Configuration, Evaluation, Findings, detect, evaluate, nab
from freshet.evaluate.scoring import (
    PROFILES,
    Labelled,
    NabScore,
    Profile,
    nab_score,
    probation,
    rows_of,
)
from freshet.evaluate.series import Series, load_series, read_scores

__all__ = [
    "PROFILES",
    "Configuration",
    "Evaluation",
    "Findings",
    "Labelled",
    "NabScore",
    "Profile",
    "Quality",
    "Series",
    "by_ranges",
    "by_rows",
    "detect",
    "evaluate",
    "load_series",
    "nab",
    "nab_score",
    "probation",
    "read_scores",
    "rows_of",
    "to_pandas",
    "to_polars",
    "vus_pr",
]
