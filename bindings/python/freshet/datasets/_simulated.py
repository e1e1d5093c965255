"""A made-up series in the manner of NAB's taxi rides, for when the real one cannot be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from freshet.datasets._series import Dataset, Window

if TYPE_CHECKING:
    import numpy.typing as npt


def simulate_taxi(seed: int = 0, n_days: int = 215) -> Dataset:
    """Make up a series in the manner of NAB's taxi rides, with anomalies put in.

    Rides per half hour with a daily and a weekly rhythm, slow drift and multiplicative noise that
    lasts for some hours. Five anomalies: two quiet holidays, a crowded night, a storm and an
    outage. The same `seed` gives the same series.

    Parameters
    ----------
    seed : int
        Of the noise.
    n_days : int
        The length, at least 84 days: the anomalies come after the first 56 days.

    Raises
    ------
    ValueError
        If `n_days` is less than 84.
    """
    if n_days < 84:
        raise ValueError(f"n_days must be at least 84, not {n_days}")
    per_day = 48
    n = n_days * per_day
    random = np.random.Generator(np.random.PCG64(seed))
    # A year that has no taxi data, so that nobody takes the plot for the real one. A Monday.
    start = np.datetime64("2001-01-01T00:00:00")
    timestamps = start + np.arange(n) * np.timedelta64(30, "m")

    hour = np.arange(n) % per_day / 2.0
    weekend = np.arange(n) // per_day % 7 >= 5
    day_shape = 1.0 - 0.75 * np.exp(-(((hour - 4.5) / 2.5) ** 2)) + 0.3 * _bump(hour, 19.0, 3.0)
    night_out = 0.6 * (_bump(hour, 0.0, 2.5) + _bump(hour, 24.0, 2.5))
    commute = 0.2 * _bump(hour, 8.5, 1.5)
    drift = 1.0 + 0.05 * np.sin(2.0 * np.pi * np.arange(n) / (120.0 * per_day))
    rides = 15000.0 * drift * (day_shape + np.where(weekend, night_out, commute))
    rides *= np.exp(_persistent_noise(random, n, scale=0.04, persistence=0.9))

    windows: list[Window] = []
    first = 56 * per_day
    for k, (length, factor) in enumerate(
        [(48, 0.55), (16, 1.7), (48, 0.6), (36, 0.25), (10, 0.1)], start=1
    ):
        # Apart evenly, at another hour each.
        begin = first + (n - first) * k // 6 + 7 * k
        rides[begin : begin + length] *= factor
        margin = 2 * per_day - length // 2
        windows.append((timestamps[begin - margin], timestamps[begin + length + margin]))
    return Dataset("nyc_taxi (simulated)", timestamps, np.round(rides), tuple(windows), "simulated")


def _bump(hour: npt.NDArray[np.float64], center: float, width: float) -> npt.NDArray[np.float64]:
    shape: npt.NDArray[np.float64] = np.exp(-(((hour - center) / width) ** 2))
    return shape


def _persistent_noise(
    random: np.random.Generator, n: int, scale: float, persistence: float
) -> npt.NDArray[np.float64]:
    """Return Gaussian noise of standard deviation `scale` in which each value recalls the last."""
    noise = random.standard_normal(n) * scale
    innovation = float(np.sqrt(1.0 - persistence**2))
    for i in range(1, n):
        noise[i] = persistence * noise[i - 1] + innovation * noise[i]
    return noise
