"""Published scores of known detectors get the figures that are published for them.

Needs NAB's data, windows and results of others where FRESHET_DATA says; see conftest.py.
"""

import json
import os
from pathlib import Path

import pytest
from freshet.evaluate import PROFILES, load_series, nab_score, read_scores

NAB = Path(os.environ["FRESHET_DATA"])
EXPECTED = json.loads((NAB / "reference_results" / "expected.json").read_text())["expected"]


@pytest.fixture(scope="module")
def series():
    return load_series(NAB)


@pytest.mark.parametrize("detector", EXPECTED)
def test_figures_are_those_published(series, detector):
    scores = read_scores(NAB / "reference_results" / f"{detector}.csv.gz", series)
    files = [one.labelled(scores[one.name]) for one in series]
    assert set(EXPECTED[detector]) == set(PROFILES)
    for name, expected in EXPECTED[detector].items():
        found = nab_score(files, PROFILES[name])
        assert found.score == pytest.approx(expected["best_score"], abs=1e-6)
        assert found.threshold == pytest.approx(expected["best_threshold"], abs=1e-12)
        assert found.n_windows == expected["windows"]
        assert found.n_detected == expected["windows_detected"]
        assert found.n_false_positives == expected["false_positive_rows"]
        at_half = nab_score(files, PROFILES[name], threshold=0.5)
        assert at_half.score == pytest.approx(expected["score_at_threshold_0_5"], rel=1e-8)
