"""An external TFLite delegate: a real library, compiled here, in the real interpreters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_agent.deployment import Deployment, read_slot
from edge_agent.pipeline import choose
from edge_agent.runtime_config import External, Runtime
from edge_agent.runtimes.base import Opening, open_runtime
from firmware_profiles import schema
from firmware_profiles.bundle import Bundle
from firmware_profiles.errors import InputError, UnavailableError
from firmware_profiles.wire import SkippedRuntime
from tests.edge_agent.delegates import reshaper
from tests.edge_agent.support import MODELS, write_bundle

FLOAT = MODELS / "tiny-float32.tflite"
IMAGE = np.random.default_rng(5).random((1, 6, 6, 1), np.float32)
TFLITE_PYTHON = Path(__file__).parents[2] / "build" / "tflite-venv" / "bin" / "python"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    return reshaper(tmp_path_factory.mktemp("delegate"))


def test_what_it_takes_is_counted_and_the_answers_stay(library: str) -> None:
    runtime = open_runtime("litert", "external", FLOAT, Opening(external=External(library)))
    delegated, total, left = runtime.nodes
    assert (delegated, total) == (1, 5)
    assert "RESHAPE" not in left
    np.testing.assert_allclose(
        runtime.run([IMAGE])[0], open_runtime("litert", "none", FLOAT, Opening()).run([IMAGE])[0], atol=1e-5
    )


def test_options_reach_it_and_its_refusal_is_told(library: str) -> None:
    wanted = External(library, {"refuse": "no accelerator on the bus"})
    with pytest.raises(UnavailableError, match=r"litert/external.*no accelerator on the bus"):
        open_runtime("litert", "external", FLOAT, Opening(external=wanted))


def test_one_that_takes_nothing_is_not_used(library: str) -> None:
    wanted = External(library, {"builtin": "0"})  # ADD, of which the model has none
    with pytest.raises(UnavailableError, match="no node of it"):
        open_runtime("litert", "external", FLOAT, Opening(external=wanted))


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (None, "no external delegate in the device's configuration"),
        (External("/nowhere/libedgetpu.so"), "cannot open shared object file"),
        (External("libc.so.6"), "libc.so.6 without tflite_plugin_create_delegate and tflite_plugin_destroy_delegate"),
    ],
)
def test_what_cannot_be_loaded_is_unavailable(
    wanted: External | None, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnavailableError, match=told):
        open_runtime("litert", "external", FLOAT, Opening(external=wanted))
    assert "Traceback" not in capfd.readouterr().err


def slot(tmp_path: Path) -> Deployment:
    with Bundle(write_bundle(tmp_path / "b.godwit")) as whole:
        (tmp_path / "slot").mkdir()
        whole.extract(tmp_path / "slot")
    return read_slot(tmp_path / "slot")


def test_a_configured_delegate_comes_before_the_claimed_runtimes(library: str, tmp_path: Path) -> None:
    deployment = slot(tmp_path)
    opening = Opening(external=External(library))
    used = choose(deployment, deployment.manifest.models[0], opening=opening).pipeline.in_use
    assert (used.runtime, used.delegate, used.delegated_nodes, used.nodes) == ("litert", "external", 1, 5)
    died = [SkippedRuntime("litert", "external", "worker: ended by SIGSEGV")]
    used = choose(deployment, deployment.manifest.models[0], died, opening).pipeline.in_use
    assert (used.delegate, used.skipped) == ("xnnpack", died)


@pytest.mark.parametrize(
    ("operator", "told"),
    [
        ("25", "golden input 0"),  # SOFTMAX: its input is handed on, so the answers are wrong
        ("3", "failed to invoke"),  # CONV_2D, of which nothing fits
    ],
)
def test_one_that_cannot_compute_what_it_took_is_passed_over(
    operator: str, told: str, library: str, tmp_path: Path
) -> None:
    deployment = slot(tmp_path)
    opening = Opening(external=External(library, {"builtin": operator}))
    used = choose(deployment, deployment.manifest.models[0], opening=opening).pipeline.in_use
    assert used.delegate == "xnnpack"
    (skipped,) = used.skipped
    assert skipped.delegate == "external"
    assert told in skipped.reason


def test_tflite_runtime_takes_it_too(library: str) -> None:
    if not TFLITE_PYTHON.exists():
        pytest.skip("no environment with tflite-runtime (Python up to 3.11): make setup makes it")
    program = (
        "import sys; from pathlib import Path; from edge_agent.runtime_config import External;"
        "from edge_agent.runtimes.base import Opening, open_runtime;"
        "opening = Opening(external=External(sys.argv[1]));"
        "print(open_runtime('tflite', 'external', Path(sys.argv[2]), opening).nodes[:2])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [str(TFLITE_PYTHON), "-c", program, library, str(FLOAT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=environment)
    assert done.stdout == "(1, 5)\n", done.stderr


def test_the_configuration_names_its_path_and_options() -> None:
    table = {"external": {"path": "/usr/lib/libedgetpu.so.1", "options": {"device": "usb"}}}
    assert schema.convert(table, Runtime, "agent.toml").external == External(
        "/usr/lib/libedgetpu.so.1", {"device": "usb"}
    )
    with pytest.raises(InputError, match=r"external\.pat.*did you mean 'path'"):
        schema.convert({"external": {"pat": "x"}}, Runtime, "agent.toml")


def test_the_configuration_needs_no_numpy() -> None:
    program = "import sys, edge_agent.runtime_config; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
