"""Finds the input of which workers die, apart from a runtime that dies of any. Pure."""

from __future__ import annotations

from firmware_profiles.results import Input

DEATHS = 3
"""As many as give a runtime up (`restarts`): where another is left, it has a try at the input too."""


class Suspect:
    """The input at which the last workers died.

    Attributes:
        worked: something was answered since an input was given up. Where nothing was, it is not the inputs.
    """

    def __init__(self) -> None:
        self.worked = True
        self._which: Input | None = None
        self._deaths = 0

    def died(self, which: Input | None, others_left: bool) -> Input | None:
        """A worker died at `which`, or at nothing; the input that is to be given up, if any.

        Args:
            others_left: there is a runtime that has not been tried.
        """
        self._deaths = self._deaths + 1 if which == self._which else 1
        self._which = which
        if which is None or not self.worked or self._deaths < DEATHS + others_left:
            return None
        self._which, self._deaths, self.worked = None, 0, False
        return which
