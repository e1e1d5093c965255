"""What a detector or an estimator found, with the series it was found in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from freshet._rows import as_matrix, as_seconds_array, column_names
from freshet.errors import ConfigurationError, DataError, NotReadyError
from freshet.plotting._panels import (
    add_legend,
    column_heights,
    figure_of,
    label_columns,
    label_times,
    literal,
    new_panels,
    plot_columns,
    plot_scores_and_versions,
    shade,
    trim,
)
from freshet.results import ResultBatch

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot"]


def plot(
    result: ResultBatch | npt.ArrayLike | Any,
    values: Any = None,
    *,
    timestamps: Any = None,
    columns: Sequence[str] | None = None,
    threshold: float | None = None,
    windows: Sequence[tuple[Any, Any]] = (),
    title: str = "",
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draw scores, with the series above them if it is given.

    Rows found to be anomalies are crosses, rows before the first score are grey, ticks below the
    scores of a `ResultBatch` say where a model took over.

    Parameters
    ----------
    result : ResultBatch, fitted estimator, or array of shape (n,)
        The verdicts of a `StreamingDetector`; an estimator, for the rows it was fitted to; or
        scores, larger being more abnormal, NaN for none.
    values : array of shape (n,) or (n, d), or DataFrame, optional
        The rows. The first eight columns are drawn, each in a panel of its own; those of a
        DataFrame that are no numbers are left out.
    timestamps : array or sequence of shape (n,), optional
        Dates or numbers for the horizontal axis. By default the DataFrame's index if it has dates,
        otherwise rows are counted.
    columns : sequence of str, optional
        The names of the columns, if `values` is an array.
    threshold : float, optional
        Drawn as a line. By default that of an estimator; of a detector ``stats()`` has it. Scores
        of an array above it are anomalies.
    windows : sequence of (begin, end), optional
        Labelled anomalies, in the units of `timestamps`; hatched.
    title : str, optional
    ax : matplotlib Axes or sequence of them, optional
        Where to draw: one for each column, from top to bottom, and the last for the scores. By
        default a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Not registered with ``pyplot``; it shows itself in a notebook, and ``savefig`` saves it.

    Raises
    ------
    DataError
        If there are more or fewer rows or timestamps than scores, or values that are no numbers.
    ConfigurationError
        If there are more or fewer axes than panels.
    NotReadyError
        If the estimator is not fitted.
    ImportError
        If Matplotlib is not installed.

    Examples
    --------
    >>> import freshet, numpy as np
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> detector = freshet.StreamingDetector("ecod", retrain="inline")
    >>> figure = freshet.plot(detector.process_many(X), X, columns=["heat", "load"])
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['heat', 'load', 'score']
    """
    table, names = _table(values, columns)
    scores, is_anomaly, versions, limit = _verdicts(result, threshold, len(table))
    if values is not None:
        _require(len(table), len(scores), "values")
    times = _times(values, timestamps, len(scores), result)
    drawn, more = label_columns(names)
    heights = [*column_heights(len(drawn)), 2.0]
    figure, panels = (
        new_panels(heights, title + more) if ax is None else _given(ax, len(heights), title + more)
    )
    plot_columns(panels, times, drawn, table, is_anomaly)
    plot_scores_and_versions(panels[-1], times, scores, is_anomaly, limit, versions)
    for axes in panels:
        shade(axes, times, scores, windows)
    trim(panels)
    label_times(panels[-1], times)
    if ax is None:
        add_legend(figure, panels)
    else:
        panels[0].legend(frameon=False, fontsize=8)
    return figure


def _table(
    values: Any, columns: Sequence[str] | None
) -> tuple[npt.NDArray[np.float64], Sequence[str]]:
    """Return the rows and the names of their columns; none of either without values."""
    if values is None:
        return np.empty((0, 0)), ()
    names = column_names(values) or columns
    if hasattr(values, "columns") and names is not None:
        numbers = [one for one in names if np.asarray(values[one]).dtype.kind in "fiub"]
        # Categories; where there is nothing else, what follows says so.
        values, names = (values[numbers], numbers) if numbers else (values, names)
    table = as_matrix(values, None if names is None else list(names))
    if table.ndim == 1:
        table = table[:, np.newaxis]
        names = names or [getattr(values, "name", None) or "value"]
    if table.ndim != 2:
        raise DataError(
            f"the values have {table.ndim} dimensions, expected rows and columns",
            id="width_mismatch",
            field="values",
            expected="an array of shape (n,) or (n, d)",
        )
    names = names or [f"f{i}" for i in range(table.shape[1])]
    _require(len(names), table.shape[1], "columns")
    return table, names


def _verdicts(
    result: Any, threshold: float | None, n_rows: int
) -> tuple[Any, Any, Any, float | None]:
    """Return scores, which rows are anomalies, model versions if known, and the threshold."""
    if isinstance(result, ResultBatch):
        return result.score, result.is_anomaly, result.model_version, threshold
    limit = threshold
    if hasattr(result, "decision_function"):
        scores = getattr(result, "decision_scores_", None)
        if scores is None:
            raise NotReadyError(
                f"this {type(result).__name__} is not fitted", id="not_ready", expected="fit first"
            )
        limit = float(result.threshold_) if limit is None else limit
        # The scores of windows belong to their last rows.
        n_before = getattr(result, "window", 1) - 1
        if n_rows and n_before and len(scores) == n_rows - n_before:
            scores = np.concatenate([np.full(n_before, np.nan), scores])
    else:
        scores = np.asarray(result, dtype=np.float64)
        if scores.ndim != 1:
            raise DataError(
                f"the scores have {scores.ndim} dimensions, expected one score for each row",
                id="width_mismatch",
                field="result",
                expected="an array of shape (n,)",
            )
    is_anomaly = np.zeros(len(scores), dtype=bool) if limit is None else scores > limit
    return scores, is_anomaly, None, limit


def _times(values: Any, timestamps: Any, n: int, result: Any) -> npt.NDArray[Any]:
    if timestamps is None:
        index = getattr(values, "index", None)
        if getattr(getattr(index, "dtype", None), "kind", "") == "M":
            timestamps = index
    if timestamps is None:
        return result.index if isinstance(result, ResultBatch) else np.arange(n)
    times = np.asarray(timestamps)
    _require(len(times), n, "timestamps")
    if times.dtype.kind in "Miuf":
        return times
    # Dates of Python, some with time zones.
    seconds: npt.NDArray[Any] = (as_seconds_array(timestamps) * 1e6).astype("datetime64[us]")
    return seconds


def _given(ax: Any, n_panels: int, title: str) -> tuple[Figure, list[Axes]]:
    panels = list(np.ravel(np.asarray(ax, dtype=object)))
    if len(panels) != n_panels:
        expected = f"{n_panels} axes: one for each column, and one for the scores"
        raise ConfigurationError(
            f"there are {len(panels)} axes, expected {expected}",
            id="parameter_out_of_range",
            field="ax",
            expected=expected,
        )
    if title:
        panels[0].set_title(literal(title))
    return figure_of(panels[0]), panels


def _require(n: int, expected: int, field: str) -> None:
    if n != expected:
        raise DataError(
            f"{n} {field}, expected {expected}",
            id="width_mismatch",
            field=field,
            expected=str(expected),
        )
