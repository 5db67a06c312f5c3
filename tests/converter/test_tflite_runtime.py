"""A bundle claims tflite-runtime only if it ran there with equal answers, in an environment of its own."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from converter import toolchain
from converter.report import ProfileReport
from firmware_profiles import profile as profiles
from firmware_profiles.bundle import Bundle
from tests.converter.conftest import MODELS, Godwit, report, tiny_project

_ROW = '[[runtimes]]\nruntime = "tflite"\ndelegate = "none"\naccelerates = []\n\n'
# What tflite-runtime 2.14 answers when nobody asks whether it may: the raw interpreter, on golden inputs.
_RAW = """
import sys
import numpy as np
from tflite_runtime.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1])
interpreter.allocate_tensors()
answers = []
for item in np.load(sys.argv[2])["x"]:
    tensor = (item.astype(np.float32) / 255).reshape(1, 6, 6, 1)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor)
    interpreter.invoke()
    answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
np.save(sys.argv[3], np.stack(answers))
"""


@pytest.fixture
def project(tmp_path: Path, made: Callable[[str], None]) -> Path:
    """The small TFLite model, for this machine with tflite-runtime beside the other runtimes."""
    made(toolchain.TFLITE)
    text = (profiles.DATA / "linux-x86_64.toml").read_text(encoding="utf-8")
    tmp_path.joinpath("old.toml").write_text(text.replace("[[runtimes]]", f"{_ROW}[[runtimes]]", 1), encoding="utf-8")
    goal = {"max_drop_points": 100}
    return tiny_project(tmp_path, MODELS / "tiny-float32.tflite", targets={"profiles": ["old.toml"]}, goal=goal)


def converted(godwit: Godwit, project: Path, recipe: str) -> ProfileReport:
    code, out, err = godwit("convert", project, "--recipe", recipe, "--json")
    assert code == 0, err
    (profile,) = report(out).profiles
    return profile


def claimed(profile: ProfileReport) -> list[str]:
    return [claim.runtime for claim in profile.claims]


def test_static_int8_is_claimed_and_measured_there(project: Path, godwit: Godwit) -> None:
    profile = converted(godwit, project, "tflite-int8")
    assert claimed(profile) == ["tflite", "litert", "litert"]
    assert profile.claims[0].min_version == "2.14.0"
    assert profile.cost is not None
    assert (profile.cost.runtime, profile.cost.version) == ("tflite", "2.14.0")  # the first that the profile lists


def test_a_per_channel_dynamic_dense_layer_is_not_claimed(tmp_path: Path, project: Path, godwit: Godwit) -> None:
    profile = converted(godwit, project, "tflite-int8-dynamic")
    assert claimed(profile) == ["litert", "litert"]
    (left,) = profile.left_out
    assert left.runtime == "tflite"
    assert "per-channel dynamic FULLY_CONNECTED, which it computes wrongly" in left.reason
    # And that is the truth: it would have run, without any error, with other answers.
    with Bundle(Path(profile.bundle)) as bundle:
        golden = bundle.read("golden.npz")
        expected = np.load(io.BytesIO(golden))["y0"]
        (tmp_path / "golden.npz").write_bytes(golden)
        (tmp_path / "model.tflite").write_bytes(bundle.read(bundle.manifest.models[0].file))
        tolerance = bundle.manifest.models[0].runtimes[0].tolerance
    python = toolchain.prepare(toolchain.TFLITE, print)
    files = [str(tmp_path / name) for name in ("model.tflite", "golden.npz", "answers.npy")]
    subprocess.run([str(python), "-c", _RAW, *files], check=True, capture_output=True)
    assert np.abs(np.load(tmp_path / "answers.npy") - expected).max() > 2 * tolerance


def test_the_plan_names_the_toolchain(project: Path, godwit: Godwit) -> None:
    code, out, _ = godwit("convert", project, "--dry-run")
    assert code == 0
    assert "toolchain  tflite-runtime" in out
    assert "prove on tflite/none, litert/xnnpack" in out
