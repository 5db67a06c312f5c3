"""LiteRT on the GPU, for real, on a Vulkan that SwiftShader computes on the CPU; and without any GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_profiles import bundle
from firmware_profiles.bundle import Bundle
from firmware_profiles.errors import UnavailableError
from firmware_profiles.manifest import Model, RuntimeClaim
from tests.edge_agent.support import LITERT, MODELS, TIMEOUT_S, manifest, model, write_bundle
from tools import unpacked

NO_GPU = {"VK_ICD_FILENAMES": os.devnull}
# The GPU may compute in float16 of 11 bits; the outputs are probabilities.
GPU = RuntimeClaim("litert", "gpu", "2.1.0", 1e-3)


@pytest.fixture(scope="module")
def vulkan() -> Mapping[str, str]:
    try:
        return unpacked.swiftshader()
    except UnavailableError as error:
        pytest.skip(f"no SwiftShader, so the GPU path is not exercised: {error}")


def agent(environment: Mapping[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`edge-agent` with another Vulkan: its loader reads the environment when the process starts."""
    command = [sys.executable, "-m", "edge_agent", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, env={**os.environ, **environment}
    )


def for_the_gpu(path: Path, file: str, of: Model) -> Path:
    """A bundle that claims the GPU first; its golden answers are those of XNNPACK."""
    write_bundle(path, of, (MODELS / file).read_bytes())
    with Bundle(path) as whole:
        members = {name: whole.read(name) for name in whole.manifest.files}
    claiming = model(**{**{name: getattr(of, name) for name in of.__struct_fields__}, "runtimes": [GPU, *LITERT]})
    bundle.write(path, manifest(claiming), members)
    return path


def selftest(environment: Mapping[str, str], *arguments: str | Path) -> Any:
    done = agent(environment, "selftest", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["runtime"]


@pytest.mark.parametrize(("file", "nodes"), [("tiny-float32.tflite", 5), ("tiny-int8.tflite", 5)])
def test_the_gpu_gives_the_golden_answers_and_takes_every_node(
    vulkan: Mapping[str, str], file: str, nodes: int, tmp_path: Path
) -> None:
    used = selftest(vulkan, for_the_gpu(tmp_path / "b.godwit", file, model()))
    assert (used["delegate"], used["skipped"]) == ("gpu", [])
    assert used["delegated_nodes"] == used["nodes"] == nodes


def test_the_gpu_predicts_what_the_cpu_does(vulkan: Mapping[str, str], tmp_path: Path) -> None:
    path = for_the_gpu(tmp_path / "b.godwit", "tiny-float32.tflite", model())
    np.save(tmp_path / "x.npy", np.random.default_rng(9).integers(0, 256, (6, 6), np.uint8))
    answers = [
        json.loads(agent(environment, "predict", path, tmp_path / "x.npy", "--json").stdout)["result"]["top"]
        for environment in (vulkan, NO_GPU)
    ]
    on_gpu, on_cpu = ({score["label"]: score["score"] for score in top} for top in answers)
    assert on_gpu == pytest.approx(on_cpu, abs=GPU.tolerance)


def test_what_the_gpu_cannot_compile_runs_on_the_next_runtime(vulkan: Mapping[str, str], tmp_path: Path) -> None:
    used = selftest(vulkan, for_the_gpu(tmp_path / "b.godwit", "tiny-loop.tflite", model()))
    assert used["delegate"] == "xnnpack"
    assert [skip["delegate"] for skip in used["skipped"]] == ["gpu"]


def test_without_a_gpu_nothing_falls_back_silently(tmp_path: Path) -> None:
    path = for_the_gpu(tmp_path / "b.godwit", "tiny-float32.tflite", model())
    asked = agent(NO_GPU, "selftest", path, "--runtime", "litert", "--delegate", "gpu")
    assert asked.returncode == 4
    assert "runtime litert/gpu" in asked.stderr
    used = selftest(NO_GPU, path)
    assert (used["delegate"], used["skipped"][0]["delegate"]) == ("xnnpack", "gpu")
