"""What the commands that change slots have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_agent.layout import Root
from edge_agent.ota.holding import held
from edge_agent.ota.updater import Updater
from firmware_profiles.errors import Problem, RefusedError, UnavailableError


@contextmanager
def open_root(folder: Path, command: str = "") -> Iterator[None]:
    """Hold the lock for `command`, if there is one; tell a disk that refuses as an error.

    Raises:
        UnavailableError: the folder cannot be written, or another updater works on it.
    """
    try:
        if command:
            with held(Root(folder.resolve()), command):
                yield
        else:
            yield
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        step = "check its rights and its free space; what was active still is"
        raise UnavailableError(Problem(str(folder), "a folder to write to", found, step)) from None


def refuse_on_probation(updater: Updater) -> None:
    """Refuse to begin something new while a version has yet to show how it does.

    Raises:
        UnavailableError: one is.
    """
    plan = updater.journal.plan
    if updater.journal.state != "idle" and plan is not None:
        found = f"{plan.deployment} {plan.version} on probation"
        step = "wait for edge-agent update, or type edge-agent mark-good or edge-agent rollback"
        raise UnavailableError(Problem("updates", "none that is being done", found, step))


def raise_if_failed(updater: Updater) -> None:
    """An update that did not end well is an error of the command.

    Raises:
        RefusedError: it was rejected.
        UnavailableError: it could not be done, and may be tried again.
    """
    done = updater.finished
    if done is None or done.event == "update_committed":
        return
    where = f"{done.deployment} {done.version}"
    if done.event == "update_rejected":
        step = "it is not tried again; bring a newer version"
        raise RefusedError(Problem(where, "a version that does well here", done.reason, step))
    raise UnavailableError(Problem(where, "an update", done.reason, "try again; what was active still is"))
