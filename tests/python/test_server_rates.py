"""How many requests may come: the token buckets."""

import pytest
from freshet.server.rates import RateLimiter, client_of
from hypothesis import given
from hypothesis import strategies as st


def test_a_burst_passes_and_then_one_by_one():
    limiter = RateLimiter(2.0, burst=3)
    assert [limiter.take("a", 0.0) for _ in range(5)] == [0, 0, 0, 0.5, 0.5]
    assert limiter.take("a", 0.5) == 0
    assert limiter.take("a", 0.75) == 0.25
    assert limiter.take("b", 0.75) == 0
    assert [limiter.take("a", 100.0) for _ in range(4)] == [0, 0, 0, 0.5]


@pytest.mark.parametrize(("per_second", "burst"), [(0.25, 1), (1.0, 1), (2.5, 3), (10.0, 10)])
def test_without_a_number_a_burst_is_what_comes_in_a_second(per_second, burst):
    limiter = RateLimiter(per_second)
    assert [limiter.take("a", 0.0) == 0 for _ in range(burst + 1)] == [True] * burst + [False]


@given(
    st.floats(0.1, 100),
    st.integers(1, 20),
    st.lists(st.floats(0, 2, allow_subnormal=False), max_size=200),
)
def test_no_more_pass_than_flow_in(per_second, burst, pauses):
    limiter = RateLimiter(per_second, burst)
    now, passed = 0.0, 0
    for pause in pauses:
        now += pause
        wait = limiter.take("a", now)
        passed += wait == 0
        assert wait <= 1 / per_second + 1e-6
        # Whoever waits as long as told passes: nothing of a refused request is counted.
        assert passed <= burst + per_second * now + 1e-6
    assert limiter.take("a", now + 1 / per_second + 1e-6) == 0


def test_the_memory_of_a_limiter_is_bounded():
    limiter = RateLimiter(1.0, 2, max_clients=100)
    for i in range(10_000):
        limiter.take(f"client {i}", 0.0)
        assert len(limiter) <= 100


def test_a_limiter_forgets_whom_nothing_is_held_against():
    limiter = RateLimiter(1.0, 2, max_clients=10)
    for i in range(9):
        limiter.take(f"full again {i}", 0.0)
    assert [limiter.take("quick", 10.0) for _ in range(3)] == [0, 0, 1]
    limiter.take("one too many", 10.0)
    assert len(limiter) == 2
    assert limiter.take("quick", 10.0) == 1


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a:b", "a:b"),
        ("", ""),
    ],
)
def test_a_network_of_ipv6_is_one_client(address, client):
    assert client_of(address) == client
