"""Fewer points to draw: no spike is lost."""

import numpy as np
import pytest
from freshet.dashboard.downsampling import extremes
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

SERIES = hnp.arrays(
    np.float64,
    st.integers(1, 400),
    elements=st.one_of(st.just(np.nan), st.floats(-1e300, 1e300), st.integers(-3, 3).map(float)),
)
BUCKETS = st.integers(1, 60)


def buckets(n, n_buckets):
    """The runs that the points are cut into, found without NumPy."""
    begins = [i * n // n_buckets for i in range(n_buckets)]
    return [range(a, b) for a, b in zip(begins, [*begins[1:], n], strict=True) if a < b]


@given(SERIES, BUCKETS)
def test_every_bucket_keeps_its_extremes(values, n_buckets):
    kept = set(extremes(values, n_buckets).tolist())
    for bucket in buckets(len(values), n_buckets):
        known = [values[i] for i in bucket if not np.isnan(values[i])]
        stays = [values[i] for i in bucket if i in kept and not np.isnan(values[i])]
        assert any(i in kept for i in bucket)
        if known:
            assert (min(stays), max(stays)) == (min(known), max(known))


@given(SERIES, BUCKETS, st.data())
def test_what_must_stay_stays_and_little_else(values, n_buckets, data):
    always = data.draw(hnp.arrays(np.bool_, len(values)))
    kept = extremes(values, n_buckets, always)
    assert set(np.flatnonzero(always).tolist()) <= set(kept.tolist())
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
    assert (np.diff(kept) > 0).all()
    if len(values) > 2 * n_buckets:
        assert len(kept) <= 2 * n_buckets + 2 + always.sum()


@given(SERIES)
def test_short_series_stay_as_they_are(values):
    np.testing.assert_array_equal(extremes(values, len(values)), np.arange(len(values)))


@given(st.integers(0, 99_999), st.sampled_from([-50.0, 50.0]))
def test_a_single_spike_among_very_many_stays(where, height):
    values = np.sin(np.arange(100_000.0))
    values[where] = height
    assert where in extremes(values, 1500)


def test_a_gap_stays_a_gap():
    values = np.arange(1000.0)
    values[300:500] = np.nan
    kept = extremes(values, 50)
    assert np.isnan(values[kept]).any()
    assert not np.isnan(values[kept]).all()


@pytest.mark.parametrize(
    ("n_buckets", "always", "said"),
    [
        (0, None, "n_buckets is 0, expected 1 or more"),
        (3, np.ones(2, bool), "always has 2 entries, expected 5"),
    ],
)
def test_what_makes_no_sense_is_refused(n_buckets, always, said):
    with pytest.raises(ValueError, match=said):
        extremes(np.zeros(5), n_buckets, always)
