"""Errors: one line a problem, and the same error on the other side of a process."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_profiles import errors
from firmware_profiles.errors import GodwitError, Problem

KINDS = [
    GodwitError,
    errors.InputError,
    errors.BundleError,
    errors.GoalError,
    errors.UnavailableError,
    errors.RefusedError,
]
PROBLEMS = st.lists(st.builds(Problem, st.text(), st.text(), st.text(), st.text()), min_size=1, max_size=4)


def told(error: GodwitError, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and stderr of a command line that raises `error`."""

    def main() -> int:
        raise error

    code = errors.guarded(main)
    return code, capsys.readouterr().err


@given(PROBLEMS)
def test_a_problem_is_one_line(problems: list[Problem]) -> None:
    assert len(str(GodwitError(*problems)).splitlines()) == len(problems)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_a_process(kind: type[GodwitError], capsys: pytest.CaptureFixture[str]) -> None:
    @given(PROBLEMS)
    def check(problems: list[Problem]) -> None:
        error = kind(*problems)
        stderr = "\n".join(f"error: {line}" for line in str(error).splitlines())
        again = errors.from_process(kind.exit_code, f"a warning of some library\n{stderr}\n")
        assert again is not None
        assert str(again) == str(error)
        assert issubclass(kind, type(again))

    check()
    code, stderr = told(kind(Problem("a.toml: x", "a number", "'y'", "correct it")), capsys)
    again = errors.from_process(code, stderr)
    assert again is not None
    assert again.problems == (Problem("a.toml: x", "a number", "'y'", "correct it"),)
    assert again.exit_code == kind.exit_code


@given(st.integers(0, 255), st.text())
def test_what_others_print_is_no_error_of_ours(code: int, stderr: str) -> None:
    if "expected" not in stderr:
        assert errors.from_process(code, stderr) is None


def test_exit_codes_are_distinct_but_for_bundles() -> None:
    codes = [kind.exit_code for kind in KINDS if kind is not errors.BundleError]
    assert codes == [1, 2, 3, 4, 5]
    assert errors.BundleError.exit_code == 2


def test_ctrl_c_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> int:
        raise KeyboardInterrupt

    assert errors.guarded(main) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_command_that_ends_well_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert errors.guarded(lambda: 0) == 0
    assert capsys.readouterr() == ("", "")


def test_an_error_has_a_problem() -> None:
    with pytest.raises(ValueError, match="without a problem"):
        GodwitError()


def test_did_you_mean() -> None:
    assert errors.did_you_mean("hardwear", ["os", "hardware"]) == "did you mean 'hardware'?"
    assert errors.did_you_mean("zzz", ["os", "hardware"]) == "known: hardware, os"
    assert errors.did_you_mean("zzz", []) == "nothing is known by any name here"
