"""What runs in the forked processes: the commands themselves, in a world where updates end as a script says.

Of the world outside, three things are stood in for, since no cut may wait for them: the repository is a folder, the
agent's verdict comes at once, and the self-test runs in a fork of this process, which has numpy loaded already. The
sample with a real model (`real`) runs the self-test as it is, in a Python of its own.
"""

from __future__ import annotations

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import edge_agent.commands.install
import edge_agent.commands.kits
import edge_agent.commands.rollback
import edge_agent.commands.update
from edge_agent.layout import Root
from edge_agent.ota import kinds, testing, trial, updater, watching
from edge_agent.ota.folder import FolderCarrier
from edge_agent.ota.proof import Verdict
from edge_agent.ota.slots import Slots
from edge_agent.ota.states import Event, State
from edge_agent.ota.updater import Outcome, Updater, plan_back
from firmware_profiles import targets
from firmware_profiles.errors import RefusedError, guarded
from tests.powercut.material import Material
from tests.powercut.paths import Path as Way


class Session(NamedTuple):
    """A run of the updater that begins with what `way` begins with, in the root `device`, towards `version`."""

    material: Material
    device: Path
    way: Way
    version: str = "2"
    real: bool = False

    @property
    def kit(self) -> Path:
        """Where the version is."""
        return self.material.kit(self.version, self.way.what)

    def run(self) -> None:
        """Run it in this process, which is nobody's who wants to go on.

        Raises:
            SystemExit: with its exit code.
        """
        _stand_in(self.kit, self.way.script, self.real)
        begin = _first if self.way.what == "first" else _BEGINNINGS.get(self.way.begin)
        if self.way.what == "agent" and self.way.begin == "asked_back":
            begin = None  # the command goes back to another deployment
        sys.exit(guarded(lambda: begin(self) if begin else _any(self)))


def prepare(session: Session) -> None:
    """What must have happened before it begins."""
    root = Root(session.device)
    if session.way.what == "first":
        shutil.rmtree(root.folder)
        root.folder.mkdir()
    if session.way.begin == "lost":
        root.journal.write_bytes(b'{"state": "dreaming"}')
        slots = Slots(root.agent_code if session.way.what == "agent" else root.slots)
        slots.activate(slots.idle())


def _update(session: Session) -> int:
    return edge_agent.commands.update.main(Namespace(root=session.device, now=True, at_boot=False, json=False))


def _install(session: Session) -> int:
    return _installed(session, what=session.material.bundle(session.version), trust_root=None, device_id=None)


def _first(session: Session) -> int:
    return _installed(session, what=session.kit, trust_root=session.material.trusted, device_id="d1")


def _installed(session: Session, **flags: object) -> int:
    arguments = Namespace(root=session.device, broker=None, profile="", json=False, deployment_only=False, **flags)
    return edge_agent.commands.install.main(arguments)


def _rollback(session: Session) -> int:
    return edge_agent.commands.rollback.main(Namespace(root=session.device, json=False))


def _any(session: Session) -> int:
    """An event that no command brings yet: the updater is told of it."""
    root = Root(session.device)
    from edge_agent import config

    settings = config.load(root.config)
    works = updater.Updater(root, settings, FolderCarrier(session.kit), True)
    works.resume()
    name: targets.Kind = "agent" if session.way.what == "agent" else "deployment"
    works.run(session.way.begin, plan_back(name, kinds.of_root(root, settings)[name]))
    return 0


_BEGINNINGS: Mapping[Event, Callable[[Session], int]] = {
    "found": _update,
    "brought": _install,
    "asked_back": _rollback,
    "lost": _update,
}


def _stand_in(kit: Path, script: Mapping[State, Event], real: bool) -> None:
    act = Updater._act

    def scripted(self: Updater) -> Outcome | None:
        """The action is done, whatever comes of it; then it ends as the script says."""
        state, ended = self.journal.state, act(self)
        return Outcome(script[state], "the script says so") if state in script else ended

    Updater._act = scripted  # type: ignore[method-assign]
    edge_agent.commands.update._carrier = lambda *_: _Network(kit)  # type: ignore[assignment]
    watching.watch = lambda *_: Verdict("proved", "25 predictions")
    if not real:
        testing.check = _check_in_a_fork


class _Network(FolderCarrier):
    """A folder that counts as a network, so that patches are taken."""

    is_network = True


def _check_in_a_fork(folder: Path, external: object) -> dict[str, str]:
    pid = os.fork()
    if not pid:
        try:
            trial.examine(folder, None)
        except BaseException:  # noqa: BLE001  # nothing of the parent's may run in a child
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        from firmware_profiles.errors import Problem

        raise RefusedError(Problem("self-test", "a pass", "none", "see the script"))
    return {}
