"""Rolling features are Polars', after a million rows, without drift.

Polars updates sums and sums of squares, so that with values around 1e9 its standard deviations are
off by 1e-7 and more (by 1e-6 for a window of 5). There the oracle is Polars on the same values
less 1e9, which is exact in floating point and leaves standard deviations as they are; and, as for
the few other rows where both differ by more than 1e-9, a two-pass computation in extended
precision.
"""

from __future__ import annotations

from itertools import pairwise

import freshet
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

N_ROWS = 1_000_000
WINDOWS = (1, 5, 20, 1000)
LAGS = (1, 7, 1000)
STATISTICS = ("mean", "std", "min", "max")

Floats = npt.NDArray[np.float64]


def series(kind: str) -> Floats:
    rng = np.random.default_rng(11)
    noise = rng.normal(size=N_ROWS)
    if kind == "unit noise":
        return noise
    if kind == "around 1e9":
        return 1e9 + noise
    if kind == "level shifts":
        return np.repeat(rng.normal(0.0, 1e6, N_ROWS // 1000), 1000) + noise
    return noise + np.where(rng.random(N_ROWS) < 1e-4, 1e12, 0.0)  # "spikes"


def polars_feature(x: Floats, statistic: str, window: int) -> Floats:
    rolling = getattr(pl.Series(x), f"rolling_{statistic}")(window, min_samples=1)
    return rolling.fill_null(0.0).to_numpy(writable=True)


def exact(x: Floats, statistic: str, window: int, row: int) -> float:
    values = x[max(0, row - window + 1) : row + 1].astype(np.longdouble)
    if statistic == "std":
        return float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return float(getattr(values, statistic)())


def assert_close(ours: Floats, expected: Floats, scale: Floats | float) -> None:
    assert (np.abs(ours - expected) <= 1e-9 * np.maximum(np.abs(expected), scale)).all()


@pytest.mark.parametrize("kind", ["unit noise", "around 1e9", "level shifts", "spikes"])
def test_a_million_rows_agree_with_polars(kind: str) -> None:
    x = series(kind)
    map_ = freshet.RollingFeatures(["x"], WINDOWS, LAGS)
    features = map_.process_many(x[:, None])
    of = dict(zip(map_.names, features.T, strict=True))

    np.testing.assert_array_equal(of["x"], x)
    for lag in LAGS:
        expected = pl.Series(x).shift(lag).fill_null(0.0).to_numpy()
        np.testing.assert_array_equal(of[f"x_lag_{lag}"], expected)
    for window in WINDOWS:
        low, high = of[f"x_rolling_min_{window}"], of[f"x_rolling_max_{window}"]
        np.testing.assert_array_equal(low, polars_feature(x, "min", window))
        np.testing.assert_array_equal(high, polars_feature(x, "max", window))

        # A mean may be 0 but for rounding, so that its error is relative to the values.
        magnitude = np.maximum(np.abs(low), np.abs(high))
        mean = of[f"x_rolling_mean_{window}"]
        assert_close(mean, polars_feature(x, "mean", window), magnitude)

        std = of[f"x_rolling_std_{window}"]
        centred = x - 1e9 if kind == "around 1e9" else x
        expected = polars_feature(centred, "std", window)
        doubtful = np.nonzero(np.abs(std - expected) > 1e-9 * np.abs(expected))[0]
        assert len(doubtful) < 100
        for row in doubtful:
            expected[row] = exact(x, "std", window, row)
        assert_close(std, expected, 0.0)


@pytest.mark.parametrize("kind", ["around 1e9", "level shifts", "spikes"])
def test_the_last_rows_of_a_million_are_as_exact_as_the_first(kind: str) -> None:
    x = series(kind)
    map_ = freshet.RollingFeatures(1, WINDOWS)
    features = map_.process_many(x[:, None])
    rows = np.concatenate([np.arange(100), np.arange(N_ROWS - 300, N_ROWS)])
    for k, window in enumerate(WINDOWS):
        for s, statistic in enumerate(STATISTICS):
            ours = features[rows, 1 + k * len(STATISTICS) + s]
            expected = np.array([exact(x, statistic, window, row) for row in rows])
            scale = np.abs(x[rows]) if statistic == "mean" else 0.0
            assert (np.abs(ours - expected) <= 1e-12 * np.maximum(np.abs(expected), scale)).all()


def test_order_of_features_and_of_columns() -> None:
    rng = np.random.default_rng(3)
    frame = pl.DataFrame({"a": rng.normal(size=500), "b": rng.normal(size=500)})
    windows, lags = (2, 3), (1, 4)
    rolling = [
        getattr(pl.col(column), f"rolling_{statistic}")(window, min_samples=1)
        .fill_null(0.0)
        .alias(f"{column}_rolling_{statistic}_{window}")
        for column in frame.columns
        for window in windows
        for statistic in STATISTICS
    ]
    lagged = [
        pl.col(column).shift(lag).fill_null(0.0).alias(f"{column}_lag_{lag}")
        for column in frame.columns
        for lag in lags
    ]
    expected = frame.with_columns(rolling + lagged)

    features = freshet.RollingFeatures(["a", "b"], windows, lags)
    assert features.names == expected.columns
    ours = features.process_many(frame)
    np.testing.assert_allclose(ours, expected.to_numpy(), rtol=1e-9, atol=1e-12)
    features.reset()
    np.testing.assert_array_equal(features.process_many(frame.select("b", "a")), ours)


def test_the_example_of_the_service() -> None:
    features = freshet.RollingFeatures(1, [5]).process_many([[100], [150], [120], [80], [200]])
    np.testing.assert_allclose(features[:, 1], [100, 125, 370 / 3, 112.5, 130])
    np.testing.assert_allclose(features[:, 2], [0, 35.36, 25.17, 29.86, 46.90], atol=0.01)


def test_batches_go_on_where_the_last_one_stopped() -> None:
    x = series("unit noise")[:5000, None]
    at_once = freshet.RollingFeatures(1, [50], [3]).process_many(x)
    in_parts = freshet.RollingFeatures(1, [50], [3])
    cuts = [0, 1, 2, 49, 51, 1000, 5000]
    parts = [in_parts.process_many(x[i:j]) for i, j in pairwise(cuts)]
    np.testing.assert_array_equal(np.vstack(parts), at_once)


def test_bad_rows_change_nothing() -> None:
    features = freshet.RollingFeatures(["a", "b"], [3])
    features.process_many([[1.0, 2.0]])
    with pytest.raises(freshet.DataError) as caught:
        features.process_many([[1.0, 2.0], [3.0, float("nan")]])
    assert (caught.value.row, caught.value.column, caught.value.field) == (1, 1, "b")
    np.testing.assert_array_equal(features.process_many([[3.0, 4.0]])[0, 2:4], [2.0, 2.0**0.5])


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"columns": 0}, "n_columns"),
        ({"columns": 2, "rolling_windows": [0]}, "rolling_windows"),
        ({"columns": 2, "rolling_windows": [5, 5]}, "rolling_windows"),
        ({"columns": 2, "rolling_windows": [2.5]}, "rolling_windows[0]"),
        ({"columns": 2, "lag_periods": [-1]}, "lag_periods[0]"),
        ({"columns": 2, "lag_periods": [2**24 + 1]}, "lag_periods"),
    ],
)
def test_parameters_out_of_range(arguments: dict[str, object], field: str) -> None:
    with pytest.raises(freshet.ConfigurationError) as caught:
        freshet.RollingFeatures(**arguments)  # type: ignore[arg-type]
    assert caught.value.field == field
