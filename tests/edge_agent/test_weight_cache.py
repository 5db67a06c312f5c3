"""XNNPACK's weight cache: read again, never believed when the golden vectors say otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_agent.deployment import Deployment, read_slot
from edge_agent.pipeline import choose
from edge_agent.runtimes import cache, litert
from edge_agent.runtimes.base import Opening, open_runtime
from firmware_profiles.bundle import Bundle
from tests.edge_agent.support import MODELS, write_bundle

FLOAT = MODELS / "tiny-float32.tflite"
IMAGE = np.random.default_rng(5).random((1, 6, 6, 1), np.float32)


@pytest.fixture(autouse=True)
def small_models_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litert, "WEIGHT_CACHE_FROM_BYTES", 0)


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    with Bundle(write_bundle(tmp_path / "b.godwit")) as whole:
        (tmp_path / "slot").mkdir()
        whole.extract(tmp_path / "slot")
    return read_slot(tmp_path / "slot")


def weights_in(folder: Path) -> Path:
    (found,) = folder.rglob("weights")
    return found


@pytest.mark.parametrize("file", ["tiny-float32.tflite", "tiny-int8.tflite", "tiny-loop.tflite"])
def test_the_second_opening_reads_what_the_first_wrote(file: str, tmp_path: Path) -> None:
    plain = open_runtime("litert", "xnnpack", MODELS / file, Opening())
    written = open_runtime("litert", "xnnpack", MODELS / file, Opening(cache=tmp_path))
    before = weights_in(tmp_path).stat()
    read = open_runtime("litert", "xnnpack", MODELS / file, Opening(cache=tmp_path))
    after = weights_in(tmp_path).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert plain.nodes == written.nodes == read.nodes
    for runtime in (written, read):
        np.testing.assert_allclose(runtime.run([IMAGE])[0], plain.run([IMAGE])[0], atol=1e-6)


def test_small_models_are_not_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litert, "WEIGHT_CACHE_FROM_BYTES", FLOAT.stat().st_size + 1)
    open_runtime("litert", "xnnpack", FLOAT, Opening(cache=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_half_a_file_is_written_anew(tmp_path: Path) -> None:
    open_runtime("litert", "xnnpack", FLOAT, Opening(cache=tmp_path))
    weights = weights_in(tmp_path)
    weights.write_bytes(weights.read_bytes()[:1000])
    runtime = open_runtime("litert", "xnnpack", FLOAT, Opening(cache=tmp_path))
    plain = open_runtime("litert", "xnnpack", FLOAT, Opening())
    np.testing.assert_allclose(runtime.run([IMAGE])[0], plain.run([IMAGE])[0], atol=1e-6)


def test_a_folder_that_takes_no_file_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    runtime = open_runtime("litert", "xnnpack", FLOAT, Opening(cache=tmp_path / "cache"))
    assert runtime.nodes[:2] == (5, 5)


def test_changed_weights_are_found_by_the_golden_vectors_and_forgotten(deployment: Deployment, tmp_path: Path) -> None:
    model = deployment.manifest.models[0]
    opening = Opening(cache=tmp_path / "cache")
    choose(deployment, model, opening=opening)
    weights = weights_in(tmp_path / "cache")
    content = bytearray(weights.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 4000] = bytes(4000)
    weights.write_bytes(content)
    chosen = choose(deployment, model, opening=opening)
    assert chosen.pipeline.in_use.delegate == "xnnpack"
    assert chosen.pipeline.in_use.skipped == []
    assert not weights.exists()
    choose(deployment, model, opening=opening)
    assert weights.exists()


def test_what_other_models_left_is_removed(deployment: Deployment, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    choose(deployment, deployment.manifest.models[0], opening=Opening(cache=folder))
    own = {path.name for path in folder.iterdir()}
    cache.of_model(folder, "0" * 64).mkdir()
    cache.keep_only(folder, [entry.sha256 for entry in deployment.manifest.files.values()])
    assert {path.name for path in folder.iterdir()} == own
    cache.keep_only(tmp_path / "none", [])
