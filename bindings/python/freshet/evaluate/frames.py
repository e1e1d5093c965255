"""Evaluations as data frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from freshet.evaluate.running import Evaluation

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["to_pandas", "to_polars"]


def to_pandas(evaluations: Iterable[Evaluation]) -> pd.DataFrame:
    """Return a pandas DataFrame with a row for each evaluation.

    Its columns: ``name``; ``nab_standard``, ``nab_reward_low_FP_rate`` and
    ``nab_reward_low_FN_rate``; at the standard profile's ``threshold`` the numbers ``n_windows``,
    ``n_detected`` and ``n_false_positives``; ``precision``, ``recall`` and ``f1`` of ``rows_`` and
    of ``ranges_``; ``vus_pr``, ``n_rows`` and ``seconds``.
    """
    import pandas as pd

    return pd.DataFrame([_row(one) for one in evaluations])


def to_polars(evaluations: Iterable[Evaluation]) -> pl.DataFrame:
    """Return a Polars DataFrame with a row for each evaluation; columns as of `to_pandas`."""
    import polars as pl

    return pl.DataFrame([_row(one) for one in evaluations])


def _row(evaluation: Evaluation) -> dict[str, Any]:
    standard = evaluation.nab["standard"]
    qualities = {"rows": evaluation.rows, "ranges": evaluation.ranges}
    return {
        "name": evaluation.name,
        **{f"nab_{name}": found.score for name, found in evaluation.nab.items()},
        "threshold": standard.threshold,
        "n_windows": standard.n_windows,
        "n_detected": standard.n_detected,
        "n_false_positives": standard.n_false_positives,
        **{
            f"{of}_{name}": getattr(quality, name)
            for of, quality in qualities.items()
            for name in ("precision", "recall", "f1")
        },
        "vus_pr": evaluation.vus_pr,
        "n_rows": evaluation.n_rows,
        "seconds": evaluation.seconds,
    }
