"""Data that nothing forbids, and that is worth a warning."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.converter.conftest import MODELS, Godwit, images, report, tiny_project

TFLITE = MODELS / "tiny-float32.tflite"
RAW = {"kind": "tensor", "colour": None, "scale": 1.0}


def tensors(count: int, seed: int, scale: float = 1.0) -> Any:
    return (scale * images(count, seed)[..., None] / 255).astype(np.float32)


@pytest.mark.parametrize(
    ("calibration", "evaluation", "told"),
    [
        (tensors(120, 1), tensors(80, 2), []),
        (tensors(120, 1, 0.5), tensors(80, 2), ["lie outside the calibrated range (calibration runs from 0 to 0.5,"]),
        (tensors(120, 1, 255.0), tensors(80, 2), ["far wider than the inputs (calibration runs from 0 to 255,"]),
        (tensors(120, 1), tensors(120, 1)[:80], ["80 of 80 evaluation items looked at are calibration items too"]),
    ],
)
def test_calibration_data_against_evaluation_data(
    tmp_path: Path, godwit: Godwit, calibration: Any, evaluation: Any, told: list[str]
) -> None:
    project = tiny_project(tmp_path, TFLITE, input=RAW, goal={"max_drop_points": 100})
    np.savez(tmp_path / "calibration.npz", x=calibration)
    np.savez(tmp_path / "evaluation.npz", x=evaluation)
    code, out, err = godwit("convert", project, "--recipe", "tflite-float32", "--json")
    assert code == 0, err
    warnings = report(out).warnings
    assert [any(part in warning for warning in warnings) for part in told] == [True] * len(warnings)
    assert [line.removeprefix("warning: ") for line in err.splitlines() if line[0] != "["] == warnings


@pytest.mark.parametrize(
    ("labels", "told"),
    [(np.zeros(80, int), "every evaluation item has the label 0"), (None, "no more than guessing among 3 classes")],
)
def test_labels_that_tell_nothing(tmp_path: Path, godwit: Godwit, labels: Any, told: str) -> None:
    project = tiny_project(tmp_path, TFLITE, goal={"max_drop_points": 100})
    _, out, _ = godwit("convert", project, "--recipe", "tflite-float32", "--json")
    float_ = report(out).candidates[0]
    assert float_.chosen_on is not None
    if labels is None:  # never what the model says: its classes one further
        outputs = tmp_path / "o.npz"
        bundle = report(out).profiles[0].bundle
        command = [sys.executable, "-m", "edge_agent", "evaluate", bundle, "--data", tmp_path / "evaluation.npz"]
        subprocess.run([*command, "--outputs", outputs, "--runs", "0"], check=True, capture_output=True)
        labels = (np.load(outputs)["y0"].argmax(axis=1) + 1) % 3
    np.savez(tmp_path / "evaluation.npz", x=images(80, seed=2), y=labels)
    _, out, err = godwit("convert", project, "--recipe", "tflite-float32", "--json")
    assert any(told in warning for warning in report(out).warnings), err


def test_a_killed_evaluation_is_one_failed_candidate(tmp_path: Path) -> None:
    project = tiny_project(tmp_path, TFLITE, goal={"max_drop_points": 100})
    command = [sys.executable, "-m", "godwit", "convert", str(project), "--json", "--no-cache", "--jobs", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        kill_child(running, b"evaluate", b"tflite-int8.draft.godwit")
        out, _ = running.communicate()
    result = report(out)
    assert running.returncode == 0
    assert result.candidate("tflite-int8").outcome == "failed"
    assert "died of SIGKILL" in result.candidate("tflite-int8").reason
    assert result.candidate("tflite-float16").outcome == "measured"


def kill_child(parent: subprocess.Popen[str], *words: bytes) -> None:
    """Kill the first child whose command line holds all the words, as soon as it is there."""
    while parent.poll() is None:
        tasks = Path(f"/proc/{parent.pid}/task").glob("*/children")
        for child in [pid for task in tasks for pid in task.read_text().split()]:
            with contextlib.suppress(OSError):  # it has just ended
                line = Path(f"/proc/{child}/cmdline").read_bytes()
                if all(word in line for word in words):
                    os.kill(int(child), signal.SIGKILL)
                    return
        time.sleep(0.002)
    raise AssertionError("it was never started")


CAN_MOUNT = not subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode


@pytest.mark.skipif(not CAN_MOUNT, reason="needs user namespaces, to mount a small disk")
@pytest.mark.parametrize("place", ["out", "tmp"])
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(tmp_path: Path, place: str) -> None:
    project = tiny_project(tmp_path / "p", TFLITE, goal={"max_drop_points": 100})
    small = tmp_path / "small"
    small.mkdir()
    out, work = (small, "") if place == "out" else (tmp_path / "out", f"TMPDIR={small} ")
    convert = f"{work}{sys.executable} -m godwit convert {project} --out {out} --no-cache --recipe tflite-float32"
    script = f"mount -t tmpfs -o size=16k none {small} && {convert}; echo $?; ls -A {small}"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=True)
    errors = [line for line in done.stderr.splitlines() if line[0] != "["]
    assert len(errors) == 1, done.stderr
    assert errors[0].startswith("error: ")
    assert "no space left on device" in errors[0].lower()
    assert done.stdout.split() in (["4"], ["1"])  # the exit code, and no file
    assert not (tmp_path / "out").exists()
