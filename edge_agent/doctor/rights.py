"""Rights: may the user that the agent runs as do what the configuration asks for."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_agent import source_config
from edge_agent.doctor.check import Check, Patient
from edge_agent.doctor.service import property_of
from edge_agent.source_config import Camera, Folder, Replay, Serial

_FULL = os.R_OK | os.W_OK


def checks(patient: Patient) -> Iterator[Check]:
    """See the module. Asked by root, it is seen as by the owner of the root's folder `var`."""
    with _as_the_agent(patient) as user:
        yield _own_folders(patient, user)
        for source in patient.config.source:
            yield from _source(source_config.absolute(source, patient.root.folder), user)


@contextmanager
def _as_the_agent(patient: Patient) -> Iterator[str]:
    owner = pwd.getpwuid((patient.root.folder / "var").stat().st_uid)
    if os.geteuid() != 0 or owner.pw_uid == 0:
        yield pwd.getpwuid(os.geteuid()).pw_name
        return
    granted = property_of("edge-agent.service", "SupplementaryGroups").split()
    before = os.getgroups()
    import grp

    os.setgroups([*os.getgrouplist(owner.pw_name, owner.pw_gid), *(grp.getgrnam(name).gr_gid for name in granted)])
    os.setegid(owner.pw_gid)
    os.seteuid(owner.pw_uid)
    try:
        yield owner.pw_name
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(before)


def _own_folders(patient: Patient, user: str) -> Check:
    root = patient.root
    wanted = {root.folder / "var": _FULL, root.folder / "run": _FULL, root.config: os.R_OK, root.active: os.R_OK}
    refused = [str(path) for path, mode in wanted.items() if not _may(path, mode)]
    if refused:
        step = "sudo edge-agent service puts them right, or systemd-tmpfiles --create; elsewhere chown"
        return Check("rights", "fail", f"{user} may not use {', '.join(refused)}", step)
    return Check("rights", "ok", f"{user} reads its configuration and writes its own folders")


def _source(source: source_config.SourceSettings, user: str) -> Iterator[Check]:
    name = f"source {source.name}"
    if isinstance(source, Serial):
        path, mode, grant = Path(source.port), _FULL, "serial"
    elif isinstance(source, Camera) and source.address.startswith("/"):
        path, grant = Path(source.address), "camera"
        mode = _FULL if source.live else os.R_OK
    elif isinstance(source, Folder | Replay):
        path, mode, grant = Path(source.path), os.R_OK, ""
    else:
        return
    if _may(path, mode):
        yield Check(name, "ok", str(path))
    elif _missing(path):
        yield Check(name, "warn", f"{path} is not there", "plug it in, or correct the configuration")
    else:
        step = f"sudo edge-agent service --grant {grant}" if grant else f"let {user} read it, and every folder above it"
        yield Check(name, "fail", f"{user} may not open {path}", step)


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=True)


def _missing(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except OSError:  # something above it is not to be looked into
        return False
    return False
