"""Decide first: whether a device is what the bundle was made for, and what flashing will do. Nothing is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from firmware_profiles.errors import Problem
from fleet.agent_kit.userland import PYTHONS
from fleet.flash.road import Facts
from fleet.goods import Goods

_CLOCK_FLOOR_S = 1_735_689_600  # 2025: what this release cannot have been flashed before


class Plan(msgspec.Struct, frozen=True):
    """What happens at one target.

    Attributes:
        root: the device root there.
        steps: what will be done, in order; empty where everything is as it should be.
        remarks: what is odd about the device, and no obstacle.
        signs: whether a certificate is signed for it.
        facts: what was found there; None where nothing can be asked.
    """

    target: str
    bundle: str
    deployment: str
    version: str
    profiles: list[str]
    size_bytes: int
    sha256: str
    root: str
    steps: list[str]
    remarks: list[str] = []
    facts: Facts | None = None
    signs: bool = False


class Planned(NamedTuple):
    """A plan, and what it installs."""

    plan: Plan
    goods: Goods


def of(goods: Goods, target: str, root: str, steps: list[str], facts: Facts | None, remarks: list[str]) -> Planned:
    """The plan that does `steps`."""
    what = goods.manifest
    made = Plan(
        target,
        str(goods.bundle),
        what.name,
        what.version,
        what.profiles,
        goods.size_bytes,
        goods.sha256,
        root,
        steps,
        remarks,
        facts,
    )
    return Planned(made, goods)


def obstacles(goods: Goods, facts: Facts, where: str) -> Iterator[Problem]:
    """Everything for which the device is not one for this bundle."""
    made_for = goods.manifest
    known = goods.profile
    step = f"convert with --target for that device, or flash one that is a {made_for.profiles[0]}"
    if facts.arch != made_for.arch:
        found = f"{facts.arch} on a kernel for {facts.kernel}" if facts.kernel != facts.arch else facts.arch
        yield Problem(where, f"a userland for {made_for.arch}", found, step)
    if not facts.board.startswith(made_for.device_tree_model):
        yield Problem(where, f"the board {made_for.device_tree_model}", facts.board or "no device tree", step)
    if known and known.os.glibc and _numbers(facts.glibc) < _numbers(known.os.glibc):
        found = facts.glibc or "none (musl?)"
        yield Problem(where, f"glibc {known.os.glibc} or newer", found, f"install {known.os.name} there")
    if facts.python not in PYTHONS:
        yield Problem(where, f"Python {PYTHONS[0]} to {PYTHONS[-1]}", facts.python, "install one of them there")
    if facts.installed and facts.installed[0] == made_for.name and newer(facts.installed[1], made_for.version):
        found = f"the newer {facts.installed[1]}"
        step = "flash a newer one, or go back there: edge-agent rollback"
        yield Problem(where, f"{made_for.name} {made_for.version} or older", found, step)
    if facts.on_probation and facts.manifest_sha256 != goods.manifest_sha256:
        expected = "no version that has yet to prove itself"
        step = "wait until it did (edge-agent status), or type there: edge-agent mark-good, or edge-agent rollback"
        yield Problem(where, expected, f"{facts.on_probation} on probation", step)


def remarks(facts: Facts) -> list[str]:
    """What is odd, and no obstacle."""
    if facts.clock_s < _CLOCK_FLOOR_S:
        return ["its clock is years behind: TLS and signatures will want the time from the network"]
    return []


def newer(one: str, other: str) -> bool:
    """By Semantic Versioning 2.0, section 11: numbers first, then a pre-release before its release."""
    return _order(one) > _order(other)


def _order(version: str) -> tuple[list[int], bool, str]:
    numbers, _, rest = re.match(r"([0-9.]+)(-?)([^+]*)", version).groups()  # type: ignore[union-attr]  # VERSION_PATTERN
    padded = (_numbers(numbers) + [0] * 4)[:4]
    return padded, not rest, rest


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(".") if part.isdigit()]
