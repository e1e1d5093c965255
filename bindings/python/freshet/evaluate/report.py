"""Evaluations as a page: a table, and every series with what was found in it."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from freshet.evaluate.running import Evaluation, Findings
from freshet.evaluate.scoring import PROFILES
from freshet.evaluate.series import Series

__all__ = ["COLUMNS", "cells", "page"]

#: The headings of a table of evaluations.
COLUMNS: Final = (
    "detector",
    *(f"NAB {name.replace('_', ' ')}" for name in PROFILES),
    "windows",
    "false alarms",
    "F1 of rows",
    "F1 of ranges",
    "VUS-PR",
    "µs per row",
)

_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
table { border-collapse: collapse; }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #8888; }
th:first-child, td:first-child { text-align: left; }
img { width: 100%; background: white; }
"""


def cells(evaluation: Evaluation) -> tuple[str, ...]:
    """Return an evaluation as the texts of a row of a table."""
    standard = evaluation.nab["standard"]
    seconds = evaluation.seconds
    return (
        evaluation.name,
        *(f"{evaluation.nab[name].score:.2f}" for name in PROFILES),
        f"{standard.n_detected}/{standard.n_windows}",
        f"{standard.n_false_positives}",
        f"{evaluation.rows.f1:.3f}",
        f"{evaluation.ranges.f1:.3f}",
        f"{evaluation.vus_pr:.3f}",
        "-" if seconds is None else f"{1e6 * seconds / evaluation.n_rows:.1f}",
    )


def page(
    evaluations: Sequence[Evaluation], findings: Sequence[Findings], series: Sequence[Series]
) -> str:
    """Return a page of HTML that needs nothing else; its pictures need Matplotlib.

    Parameters
    ----------
    evaluations, findings : sequence
        Of the same detectors, in the same order.
    series : sequence of Series
    """
    return "\n".join(_lines(evaluations, findings, series))


def _lines(
    evaluations: Sequence[Evaluation], findings: Sequence[Findings], series: Sequence[Series]
) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width">'
    yield f"<title>freshet evaluate</title>\n<style>{_STYLE}</style>\n</head>\n<body>"
    n_rows = sum(len(one.values) for one in series)
    yield f"<h1>Evaluation on {len(series)} series</h1>"
    yield f"<p>{n_rows:,} rows; thresholds are the best of NAB's standard profile.</p>"
    yield "<table>\n<thead>\n" + _row("th", COLUMNS) + "\n</thead>\n<tbody>"
    yield from (_row("td", cells(one)) for one in evaluations)
    yield "</tbody>\n</table>"
    for evaluation, found in zip(evaluations, findings, strict=True):
        threshold = evaluation.nab["standard"].threshold
        if threshold is None:  # Drawn just above all that there is.
            highest = max(float(np.nanmax(scores)) for scores in found.scores.values())
            threshold = float(np.nextafter(highest, np.inf))
        for one in series:
            yield f"<h2>{html.escape(one.name)} by {html.escape(found.name)}</h2>"
            yield _picture(one, found, threshold)
    yield "</body>\n</html>"


def _row(kind: str, texts: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{kind}>{html.escape(text)}</{kind}>" for text in texts) + "</tr>"


def _picture(series: Series, findings: Findings, threshold: float) -> str:
    from freshet.plotting import ErrorPicture, draw_errors

    scores = findings.scores[series.name]
    times = series.timestamps
    is_flagged = scores >= threshold
    figure = draw_errors(
        ErrorPicture(
            timestamps=times,
            columns=["value"],
            values=series.values[:, None],
            errors=scores,
            is_anomaly=is_flagged,
            threshold=threshold,
            windows=[(times[first], times[last]) for first, last in series.windows],
        ),
        score_label="score",
    )
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=72)
    text = (
        f"{series.name}: {len(times):,} rows, {len(series.windows)} labelled windows, "
        f"{int(np.count_nonzero(is_flagged)):,} rows flagged by {findings.name}"
    )
    data = base64.b64encode(image.getvalue()).decode()
    return f'<img alt="{html.escape(text)}" src="data:image/png;base64,{data}">'
