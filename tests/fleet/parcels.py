"""What `godwit flash` sends, with an agent whose wheel is Godwit's alone; and what becomes of it on the way."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest

from firmware_profiles import agent_code
from firmware_profiles.profile import userland_arch
from fleet import agent_code as codes
from fleet.bootstrap import agent_code as slots
from fleet.flash import parcel, sources
from tests.edge_agent.wheels import TAG, wheel


def use_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but Godwit's own code is this environment's."""
    others, environment = sysconfig.get_path("purelib"), slots.environment
    monkeypatch.setattr(
        slots,
        "environment",
        lambda code: {**environment(code), "PYTHONPATH": f"{code}{os.pathsep}{others}"},
    )


def pack(folder: Path, what: Path, root: Path, version: str | None, changes: Mapping[str, str] | None = None) -> Path:
    """A parcel with that bundle, or what a repository has, and other code unless `version` is None."""
    folder.mkdir()
    wheels = listed(wheel(folder.with_name(f"{folder.name}-wheels"), version, changes)) if version else None
    source = sources.read(what, None, print)
    goods = source.choose(userland_arch(), "")
    parcel.pack(folder, goods, source, wheels, parcel.Order(str(root), service=False, flags=[]))
    return folder


def swap(folder: Path, version: str, changes: Mapping[str, str], *, also_list: bool) -> None:
    """Others change the agent in a parcel, and its list so that it fits."""
    agent, signed = folder / "agent", folder.with_name(f"{folder.name}-wheels") / agent_code.DESCRIPTION
    shutil.rmtree(agent)
    listed(wheel(agent, version, changes))
    if not also_list:
        shutil.copyfile(signed, agent / agent_code.DESCRIPTION)


def listed(wheels: Path) -> Path:
    """With `agent.json` beside the wheels."""
    described = codes.describe(wheels, TAG, userland_arch())  # type: ignore[arg-type]
    (wheels / agent_code.DESCRIPTION).write_bytes(agent_code.encode(described))
    return wheels
