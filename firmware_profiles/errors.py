"""The error family, the exit codes, and how an error is told to the person who meets it.

```
GodwitError             exit 1   anything below that has no better name
├── InputError          exit 2   a file or an argument is not what it must be
│   └── BundleError     exit 2   … and the file is a bundle
├── GoalError           exit 3   nothing that was built meets the goal
├── UnavailableError    exit 4   a package, program, device or broker is missing
├── RefusedError        exit 5   a model was refused: it disagrees with its golden vectors
└── TrustError          exit 6   an update is not trusted: unsigned, expired, older than what was known
(Ctrl-C)                exit 130
```
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

EXIT_INTERRUPTED = 130
_PREFIX = "error: "
_LINE = re.compile(r"^error: (?P<where>.*?): expected (?P<expected>.*?), found (?P<found>.*); (?P<next_step>.*)$")


class Problem(NamedTuple):
    """One thing that is wrong, told on one line.

    Attributes:
        where: the file, key or argument at fault.
        expected: what would have been right.
        found: what is there instead.
        next_step: what the person can do about it.
    """

    where: str
    expected: str
    found: str
    next_step: str

    def __str__(self) -> str:
        where, expected, found, next_step = (" ".join(part.split()) for part in self)
        return f"{where}: expected {expected}, found {found}; {next_step}"


class GodwitError(Exception):
    """Base of every error that Godwit raises on purpose; carries all problems found at once."""

    exit_code = 1

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise ValueError("an error without a problem tells nobody anything")
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class InputError(GodwitError):
    """A user's file or argument is not what it must be."""

    exit_code = 2


class BundleError(InputError):
    """A file is not a whole, unchanged bundle, or not one for here."""


class GoalError(GodwitError):
    """No candidate meets the goal."""

    exit_code = 3


class UnavailableError(GodwitError):
    """Something outside this process is missing: a package, a program, a device, a broker."""

    exit_code = 4


class RefusedError(GodwitError):
    """A model's outputs disagree with its golden vectors, so it is not run."""

    exit_code = 5


class TrustError(GodwitError):
    """An update does not verify, so nothing of it is used."""

    exit_code = 6


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Name the close match if there is one, else every known word: a next step for a typo."""
    known = sorted(known)
    import difflib  # late: needed by those who made a mistake

    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(known)}" if known else "nothing is known by any name here"


def guarded(main: Callable[[], int]) -> int:
    """Run a command line; turn our errors and Ctrl-C into one-line messages and exit codes."""
    try:
        return main()
    except GodwitError as error:
        for line in str(error).splitlines():
            print(f"{_PREFIX}{line}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_INTERRUPTED


def from_process(exit_code: int, stderr: str) -> GodwitError | None:
    """The error that another Godwit process told on its stderr; None if it told none of ours."""
    matches = filter(None, map(_LINE.match, stderr.splitlines()))
    problems = [Problem(**match.groupdict()) for match in matches]
    kinds = (InputError, GoalError, UnavailableError, RefusedError, TrustError)
    kind = next((kind for kind in kinds if kind.exit_code == exit_code), GodwitError)
    return kind(*problems) if problems else None
