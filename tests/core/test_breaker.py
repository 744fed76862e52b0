"""The circuit breaker, moment by moment."""

from __future__ import annotations

import datetime as dt

from core.breaker import FAILURES, OPEN_FOR, PROBE_FOR, WINDOW, Breaker, allow, failed, succeeded

NOW = dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


def failing(times: int, apart: dt.timedelta = SECOND, state: Breaker | None = None) -> Breaker:
    state = state or Breaker()
    for number in range(times):
        state = failed(state, NOW + number * apart)
    return state


def test_four_failures_leave_it_closed_and_the_fifth_opens_it() -> None:
    four = failing(FAILURES - 1)
    assert allow(four, NOW + 4 * SECOND) == (four, True)
    five = failing(FAILURES)
    assert five.opened_at == NOW + 4 * SECOND
    assert allow(five, NOW + 5 * SECOND) == (five, False)


def test_failures_that_are_far_apart_do_not_add_up() -> None:
    state = failing(FAILURES - 1)
    state = failed(state, NOW + WINDOW + SECOND)
    assert (state.failures, state.opened_at) == (1, None)


def test_a_success_forgets_every_failure() -> None:
    assert failing(1, state=succeeded()) == failing(1)
    assert succeeded() == Breaker()


def test_a_failure_for_good_opens_it_at_once() -> None:
    state = failed(Breaker(), NOW, for_good=True)
    assert not allow(state, NOW)[1]


def test_after_the_pause_one_probe_may_go_and_only_one() -> None:
    opened = failing(FAILURES, dt.timedelta(0))
    after = NOW + OPEN_FOR
    assert not allow(opened, after - SECOND)[1]
    probing, allowed = allow(opened, after)
    assert allowed
    assert not allow(probing, after + SECOND)[1]
    # Its worker died: the next one may.
    assert not allow(probing, after + PROBE_FOR - SECOND)[1]
    assert allow(probing, after + PROBE_FOR)[1]


def test_a_failed_probe_opens_it_again_and_a_good_one_closes_it() -> None:
    probing, _ = allow(failing(FAILURES, dt.timedelta(0)), NOW + OPEN_FOR)
    again = failed(probing, NOW + OPEN_FOR + SECOND)
    assert not allow(again, NOW + OPEN_FOR + 2 * SECOND)[1]
    assert allow(again, NOW + 2 * OPEN_FOR + SECOND)[1]
    assert allow(succeeded(), NOW + OPEN_FOR + SECOND)[1]
