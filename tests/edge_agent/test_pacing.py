"""How often a live source tries again, and how often it tells what went wrong. Pure."""

from __future__ import annotations

from edge_agent.flow.attempts import Attempts
from edge_agent.flow.rejections import Rejections
from firmware_profiles.errors import InputError, Problem


def error(found: str) -> InputError:
    return InputError(Problem("x", "a", found, "b"))


def test_delays_double_up_to_a_minute_and_begin_again_after_ten_seconds_of_life() -> None:
    attempts, now_s, delays = Attempts(), 0.0, []
    for _ in range(8):
        attempts.began(now_s)
        attempts.failed(error("gone"), now_s)
        delays.append(attempts.due_s - now_s)
        now_s = attempts.due_s
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60]
    attempts.began(now_s)
    attempts.failed(error("gone"), now_s + 10)
    assert attempts.due_s == now_s + 11


def test_a_failure_is_news_once_until_it_changes_or_something_worked() -> None:
    attempts = Attempts()
    news = [attempts.failed(error(found), 0) for found in ("gone", "gone", "busy", "busy")]
    assert news == [True, False, True, False]
    attempts.worked()
    assert attempts.failed(error("busy"), 0)


def test_rejections_are_told_at_once_and_then_once_a_minute_with_their_number() -> None:
    rejections = Rejections()
    assert rejections.due(5) is None
    rejections.add(error("first"))
    assert "found first;" in str(rejections.due(5))
    for found in ("second", "third"):
        rejections.add(error(found))
        assert rejections.due(64) is None
    assert "found third (the last of 2 since the last report);" in str(rejections.due(65))
    assert rejections.due(500) is None
