"""Children end with the work that started them, and a session that dies is one failure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from converter.exporting import Session
from converter.processes import Processes
from converter.protocol import Export, Exported, Failed
from converter.recipes import BY_NAME
from firmware_profiles.errors import InputError
from tests.converter.conftest import MODELS, alive, wait_for

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_what_still_runs_is_killed_with_its_children(tmp_path: Path) -> None:
    family = "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    parent = [sys.executable, "-c", f"{family}; print(p.pid, flush=True); time.sleep(60)"]
    with Processes(tmp_path) as processes:
        process = processes.start(parent, subprocess.DEVNULL, subprocess.DEVNULL)
        assert process.stdout is not None
        grandchild = int(process.stdout.readline())
        os.kill(grandchild, 0)
    assert process.returncode == -signal.SIGKILL
    wait_for(lambda: not alive(grandchild))
    with pytest.raises(KeyboardInterrupt):
        processes.start(SLEEPER, subprocess.DEVNULL, subprocess.DEVNULL)


def test_endings_are_told_in_words(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        assert processes.run(SLEEPER, 0.2).ending(0.2) == "was stopped after 0.2 s"
        died = processes.run([sys.executable, "-c", "import os; os.abort()"], 30)
        assert died.ending(30) == "died of SIGABRT"
        assert processes.run([sys.executable, "-c", "raise SystemExit(7)"], 30).ending(30) == "ended with exit code 7"


def test_what_takes_too_much_memory_is_stopped_with_its_children(tmp_path: Path) -> None:
    hog = "import time; x = bytearray(300 << 20); time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hog!r}])"
    with Processes(tmp_path, memory_bytes=200 << 20) as processes:
        finished = processes.run([sys.executable, "-c", parent], 60)
    assert finished.exit_code == -signal.SIGKILL
    assert finished.ending(60).startswith("was stopped at 0.")
    assert finished.ending(60).endswith(" GB of memory")


def test_a_session_that_takes_too_much_memory_says_so(tmp_path: Path) -> None:
    with Processes(tmp_path, memory_bytes=20 << 20) as processes, pytest.raises(InputError) as caught:
        Session(processes, MODELS / "tiny-float32.onnx", "onnx").describe()
    assert "the loader was stopped at 0." in str(caught.value)  # what it had already taken varies


def test_temporary_files_of_children_lie_in_the_folder_given(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        told = processes.run([sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"], 30)
    assert told.stdout.decode().strip() == str(tmp_path)


def test_a_session_that_dies_is_one_failure_and_the_next_export_works(tmp_path: Path) -> None:
    np.savez(tmp_path / "calibration.npz", t0=np.zeros((4, 6, 6, 1), np.float32))
    target = tmp_path / "out.onnx"
    request = Export(BY_NAME["onnx-float32"], [1, 6, 6, 1], str(tmp_path / "calibration.npz"), str(target))
    with Processes(tmp_path) as processes:
        session = Session(processes, MODELS / "tiny-float32.onnx", "onnx")
        session.describe()
        assert session._process is not None
        os.kill(session._process.pid, signal.SIGKILL)
        session._process.wait()
        failed = session.export(request)
        assert isinstance(failed, Failed)
        assert not target.exists()
        assert isinstance(session.export(request), Exported)
        assert target.exists()


@pytest.mark.parametrize("name", ["tiny-float32.onnx", "tiny-float32.tflite"])
def test_a_truncated_model_is_the_users_to_mend(tmp_path: Path, name: str) -> None:
    content = (MODELS / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(content[: len(content) // 2])
    with Processes(tmp_path) as processes, pytest.raises(InputError) as caught:
        Session(processes, path, "onnx" if name.endswith("onnx") else "tflite").describe()
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
