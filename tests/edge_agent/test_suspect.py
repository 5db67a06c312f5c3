"""Which input is given up. Pure."""

from __future__ import annotations

from edge_agent.suspect import DEATHS, Suspect
from firmware_profiles.results import Input

ONE, OTHER = Input("s", 1), Input("s", "two")


def test_an_input_at_which_workers_die_in_a_row() -> None:
    suspect = Suspect()
    assert [suspect.died(ONE, others_left=False) for _ in range(DEATHS)] == [None, None, ONE]


def test_where_another_runtime_is_left_it_has_a_try() -> None:
    suspect = Suspect()
    assert [suspect.died(ONE, others_left=True) for _ in range(DEATHS + 1)] == [None, None, None, ONE]


def test_a_runtime_that_dies_of_any_input_takes_one_with_it_and_no_more() -> None:
    suspect = Suspect()
    assert [suspect.died(ONE, others_left=False) for _ in range(DEATHS)][-1] == ONE
    assert not any(suspect.died(OTHER, others_left=False) for _ in range(10))
    suspect.worked = True
    assert suspect.died(OTHER, others_left=False) == OTHER


def test_deaths_at_other_inputs_or_at_none_do_not_count() -> None:
    suspect = Suspect()
    assert not any(suspect.died(which, others_left=False) for which in (ONE, ONE, OTHER, ONE, ONE, None, ONE, ONE))
    assert not any(suspect.died(None, others_left=False) for _ in range(10))
