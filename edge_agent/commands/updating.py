"""What the commands that change slots have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_agent import clock
from edge_agent.layout import Root
from edge_agent.ota import watching
from edge_agent.ota.holding import held
from edge_agent.ota.updater import Updater
from edge_agent.update_config import Update
from firmware_profiles.errors import Problem, RefusedError, UnavailableError

_SILENT_MS = 20_000


@contextmanager
def open_root(folder: Path, command: str = "", *, decides: bool = False) -> Iterator[None]:
    """Hold the lock for `command`, if there is one; tell a disk that refuses as an error.

    Args:
        decides: as of `held`.

    Raises:
        UnavailableError: the folder cannot be written, or another updater works on it.
    """
    try:
        if command:
            with held(Root(folder.resolve()), command, decides=decides):
                yield
        else:
            yield
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        step = "check its rights and its free space; what was active still is"
        raise UnavailableError(Problem(str(folder), "a folder to write to", found, step)) from None


def refuse_on_probation(root: Root, settings: Update, updater: Updater) -> None:
    """Refuse to begin something new while a version has yet to show how it does: the slot of the one before is kept.

    Raises:
        UnavailableError: one is; how far it is, until when it is judged, and what can be done before.
    """
    plan = updater.journal.plan
    if updater.journal.state == "idle" or plan is None:
        return
    health = watching.look(root).health
    step = "or type there: edge-agent mark-good, by which it stays, or edge-agent rollback"
    found = f"{plan.deployment} {plan.version} on probation"
    if health is None or health.boot != clock.boot_id() or clock.uptime_ms() - health.uptime_ms > _SILENT_MS:
        found += ", and no agent runs to show how it does"
        step = f"start the agent, {step}"
    else:
        minutes = (clock.uptime_ms() - health.since_uptime_ms) / 60_000
        done = f"{health.predictions} of {settings.prove_predictions} predictions in {minutes:.1f} minutes"
        found += f" ({done} of at least {settings.prove_minutes:g})"
        left = max(0.0, settings.prove_within_minutes - minutes)
        step = f"wait until it is judged, in {left:.0f} minutes at the latest, {step}"
    raise UnavailableError(Problem(str(root.folder), "no version that has yet to prove itself", found, step))


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
