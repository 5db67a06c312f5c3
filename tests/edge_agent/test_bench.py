"""`edge-agent bench`: figures of every claimed runtime, and a reason for each that gave none."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from edge_agent.commands.bench import Bench
from firmware_profiles import bundle
from firmware_profiles.bundle import Bundle
from firmware_profiles.manifest import RuntimeClaim
from firmware_profiles.profile import Sensors
from tests.edge_agent.support import LITERT, agent, manifest, model, write_bundle


def test_each_claimed_runtime_is_measured_in_turn(tmp_path: Path) -> None:
    (tmp_path / "temp").write_text("48300\n")
    sensors = Sensors(temperature=str(tmp_path / "temp"))
    done = agent("bench", write_bundle(tmp_path / "b.godwit", sensors=sensors), "--runs", "20", "--json")
    assert done.returncode == 0, done.stderr
    found = msgspec.json.decode(done.stdout, type=Bench)
    assert [(row.runtime, row.delegate) for row in found.rows] == [("litert", "xnnpack"), ("litert", "none")]
    for row, delegated in zip(found.rows, (5, 0), strict=True):
        assert row.figures is not None, row.problem
        assert row.figures.latency.runs == 20
        assert row.figures.latency.p95_ms >= row.figures.latency.p50_ms > 0
        assert row.figures.runtime.delegated_nodes == delegated
        assert row.figures.answers_per_s > 0
        assert row.figures.load_ms > 0
        assert row.figures.peak_rss_bytes > 10_000_000
        assert (row.temperature_before_c, row.temperature_after_c) == (48.3, 48.3)
    assert "1 of 2: tiny on litert/xnnpack" in done.stderr


def test_a_runtime_that_cannot_be_used_is_told_with_its_reason_beside_the_others(tmp_path: Path) -> None:
    claims = [*LITERT, RuntimeClaim("litert", "external", "2.1.0", 1e-4)]
    done = agent("bench", write_bundle(tmp_path / "b.godwit", model(runtimes=claims)), "--runs", "5")
    assert done.returncode == 0, done.stderr
    head, first, second, reason, where = done.stdout.splitlines()
    assert head.split()[:2] == ["model", "runtime"]
    assert [first.split()[1], second.split()[1]] == ["litert/xnnpack", "litert/none"]
    assert reason.startswith("tiny on litert/external: not used: no external delegate")
    assert f"of {os.cpu_count()} cores" in where


def test_without_any_figures_it_ends_with_an_error(tmp_path: Path) -> None:
    """No runtime can be proved without golden vectors."""
    path = write_bundle(tmp_path / "b.godwit")
    with Bundle(path) as whole:
        members = {name: whole.read(name) for name in whole.manifest.files if name != "golden.npz"}
    bundle.write(path, manifest(model(golden="")), members)
    done = agent("bench", path, "--runs", "5")
    assert done.returncode == 4
    assert done.stdout.count("not used: none in the bundle") == 2
    assert "a claimed runtime that works here" in done.stderr
    assert "Traceback" not in done.stderr
