"""ONNX Runtime's OpenVINO provider, in an environment of its own: Intel's wheel hides the common one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_profiles.manifest import RuntimeClaim
from tests.edge_agent.support import MODELS, model, write_bundle

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "build" / "openvino-venv" / "bin" / "python"


@pytest.fixture(scope="module")
def openvino() -> Path:
    """The environment's Python, made if need be."""
    made = subprocess.run([sys.executable, "-m", "tools.environment", "openvino"], cwd=ROOT, check=False)
    if made.returncode != 0:
        pytest.skip("build/openvino-venv cannot be made, so OpenVINO is not exercised")
    return PYTHON


def test_openvino_takes_every_node_and_gives_the_golden_answers(openvino: Path, tmp_path: Path) -> None:
    cpu = RuntimeClaim("onnx", "cpu", "1.20", 1e-4)
    of = model(file="models/tiny.onnx", format="onnx", recipe="onnx-float32", runtimes=[cpu])
    bundle = write_bundle(tmp_path / "b.godwit", of, (MODELS / "tiny-float32.onnx").read_bytes())
    command = [str(openvino), "-m", "edge_agent", "selftest", str(bundle)]
    command += ["--runtime", "onnx", "--delegate", "openvino", "--json"]
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=settings)
    assert done.returncode == 0, done.stderr
    used = json.loads(done.stdout)
    assert used["runtime"]["delegated_nodes"] == used["runtime"]["nodes"] > 0
    assert used["golden_max_difference"] < cpu.tolerance
