"""Whether a device is what a bundle was made for: told before anything is written, everything at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_profiles.words import VERSION_PATTERN
from fleet import goods
from fleet.flash import plan
from fleet.flash.road import Facts
from fleet.goods import Goods
from tests.edge_agent.support import null_bundle

FACTS = Facts(
    arch="aarch64",
    kernel="aarch64",
    glibc="2.36",
    python="3.11",
    init="systemd",
    board="Raspberry Pi 5 Model B Rev 1.0",
    free_bytes=1 << 30,
    clock_s=1_800_000_000,
    rights="sudo",
    writable=False,
    readable=True,
    agent_sha256="",
    manifest_sha256="",
    installed=[],
    device="",
    service="",
)


@pytest.fixture(scope="module")
def for_a_pi(tmp_path_factory: pytest.TempPathFactory) -> Goods:
    path: Path = tmp_path_factory.mktemp("goods") / "tiny.godwit"
    board = "Raspberry Pi 5 Model B"
    null_bundle(path, profiles=["raspberry-pi-5"], arch="aarch64", device_tree_model=board, version="1.2.0")
    return goods.read(path)


def told(of: Goods, **changes: Any) -> list[str]:
    return [str(problem) for problem in plan.obstacles(of, msgspec.structs.replace(FACTS, **changes), "ssh://pi")]


def test_the_device_that_it_was_made_for(for_a_pi: Goods) -> None:
    assert told(for_a_pi) == []
    assert told(for_a_pi, installed=["tiny", "1.1.9"]) == []
    assert told(for_a_pi, installed=["other", "9"]) == []
    assert told(for_a_pi, on_probation="tiny 1.2.0", manifest_sha256=for_a_pi.manifest_sha256) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"on_probation": "tiny 1.1"}, "found tiny 1.1 on probation; wait until it did"),
        ({"arch": "armv7l"}, "expected a userland for aarch64, found armv7l on a kernel for aarch64"),
        ({"arch": "x86_64", "kernel": "x86_64"}, "expected a userland for aarch64, found x86_64;"),
        ({"board": "Raspberry Pi 4 Model B"}, "expected the board Raspberry Pi 5 Model B, found Raspberry Pi 4"),
        ({"board": ""}, "found no device tree"),
        ({"glibc": "2.31"}, "expected glibc 2.36 or newer, found 2.31; install Raspberry Pi OS (64-bit), Debian 12"),
        ({"glibc": ""}, "found none (musl?)"),
        ({"python": "3.9"}, "expected Python 3.10 to 3.13, found 3.9"),
        ({"installed": ["tiny", "1.10"]}, "expected tiny 1.2.0 or older, found the newer 1.10"),
    ],
)
def test_another_device(for_a_pi: Goods, changes: dict[str, Any], found: str) -> None:
    (problem,) = told(for_a_pi, **changes)
    assert found in problem


def test_everything_is_told_at_once_and_a_clock_is_only_remarked(for_a_pi: Goods) -> None:
    assert len(told(for_a_pi, arch="x86_64", board="", glibc="2.28", python="3.8", installed=["tiny", "2"])) == 5
    assert plan.remarks(FACTS) == []
    assert "years behind" in plan.remarks(msgspec.structs.replace(FACTS, clock_s=12))[0]


VERSIONS = st.from_regex(VERSION_PATTERN)


@given(VERSIONS, VERSIONS)
def test_of_two_versions_at_most_one_is_newer(one: str, other: str) -> None:
    assert not (plan.newer(one, other) and plan.newer(other, one))
    assert not plan.newer(one, one)


def test_a_pre_release_comes_before_its_release() -> None:
    order = ["1.0-rc1", "1.0", "1.0.1", "1.2", "1.10", "2"]
    assert all(plan.newer(order[index + 1], order[index]) for index in range(len(order) - 1))
    assert not plan.newer("1.0+built.later", "1.0")
