"""What earlier conversions found out is used again, and only where nothing changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from converter import cache
from converter.cache import Cache
from tests.converter.conftest import MODELS, Godwit, images, report, tiny_project

TFLITE = MODELS / "tiny-float32.tflite"


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache.default_folder()


def test_an_entry_is_given_back_whole(tmp_path: Path) -> None:
    results = Cache(tmp_path / "results")
    (tmp_path / "file").write_bytes(b"one")
    results.put("key", {"a": tmp_path / "file", "b": b"two"})
    entry = results.get("key")
    assert entry is not None
    assert ((entry / "a").read_bytes(), (entry / "b").read_bytes()) == (b"one", b"two")
    assert results.get("other") is None


@pytest.mark.parametrize("name", ["a", "index.json"])
def test_a_damaged_entry_is_none(tmp_path: Path, name: str) -> None:
    results = Cache(tmp_path)
    results.put("key", {"a": b"one"})
    (tmp_path / "key" / name).write_bytes(b"other")
    assert results.get("key") is None
    results.put("key", {"a": b"new"})
    assert (tmp_path / "key" / "a").read_bytes() == b"new"


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for results in (Cache(tmp_path / "file" / "under"), Cache(None)):
        results.put("key", {"a": b"one"})
        assert results.get("key") is None
        results.trim()


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT_BYTES", 2500)
    results = Cache(tmp_path)
    for age_s, key in enumerate(("new", "old", "used")):
        results.put(key, {"a": bytes(1000)})
        os.utime(tmp_path / key, (1e9 - age_s, 1e9 - age_s))
    assert results.get("used")
    results.trim()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "used"]


def test_a_second_run_measures_nothing_again(tmp_path: Path, results: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path / "p", TFLITE)
    first, second = (report(godwit("convert", project, "--json")[1]) for _ in range(2))
    assert first.candidates == second.candidates  # with every latency, which no second measurement repeats
    assert [each.bundle_sha256 for each in first.profiles] == [each.bundle_sha256 for each in second.profiles]
    fresh = report(godwit("convert", project, "--json", "--no-cache")[1])
    assert fresh.candidates != first.candidates


def test_another_evaluation_set_is_evaluated_and_nothing_else(tmp_path: Path, results: Path, godwit: Godwit) -> None:
    project = tiny_project(tmp_path / "p", TFLITE, goal={"max_drop_points": 100})
    first = report(godwit("convert", project, "--recipe", "tflite-int8", "--json")[1])
    np.savez(tmp_path / "p" / "evaluation.npz", x=images(90, seed=5), y=np.arange(90) % 3)
    second = report(godwit("convert", project, "--recipe", "tflite-int8", "--json")[1])
    assert (first.items, second.items) == (80, 90)
    assert [each.costs for each in first.candidates] == [each.costs for each in second.candidates]


def test_what_was_done_before_ctrl_c_is_not_done_again(tmp_path: Path, results: Path) -> None:
    project = tiny_project(tmp_path / "p", TFLITE)
    command = [sys.executable, "-m", "godwit", "convert", str(project)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "measuring" in line:
                break
        running.send_signal(signal.SIGINT)
        assert running.wait() == 130
    before = {path.name: (path / "index.json").stat().st_ino for path in results.iterdir()}
    assert before
    subprocess.run(command, check=True, capture_output=True)
    after = {path.name: (path / "index.json").stat().st_ino for path in results.iterdir()}
    assert before.items() < after.items()
