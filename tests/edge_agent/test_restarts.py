"""When a worker is started again."""

from __future__ import annotations

from edge_agent.restarts import Restarts


def test_delays_grow_up_to_a_minute() -> None:
    restarts = Restarts()
    delays = [restarts.died(lived_s=1).delay_s for _ in range(12)]
    # Each is jittered by a fifth.
    assert all(0.4 * 2**i <= delay <= 0.6 * 2**i for i, delay in enumerate(delays[:6]))
    assert all(48 <= delay <= 72 for delay in delays[8:])


def test_the_third_death_in_a_row_gives_the_runtime_up() -> None:
    restarts = Restarts()
    assert [restarts.died(lived_s=1).give_up_runtime for _ in range(6)] == [False, False, True] * 2


def test_a_minute_of_life_forgets_what_was_before() -> None:
    restarts = Restarts()
    restarts.died(lived_s=1)
    restarts.died(lived_s=1)
    step = restarts.died(lived_s=61)
    assert not step.give_up_runtime
    assert step.delay_s <= 0.6
