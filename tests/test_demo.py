"""The demo as `make demo` runs it, and that it leaves no process behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from tools.demo_score import score

ROOT = Path(__file__).parent.parent
WAIT_S = 240  # bounds for a hung test, not measurements
GONE_WITHIN_S = 20
MARK = "GODWIT_TEST_DEMO"


def line(position: int, index: int, *, repeated: bool = False, source: str = "replay") -> dict[str, object]:
    answer = {"top": [{"index": index}]}
    return {"repeated": repeated, "message": {"input": {"source": source, "position": position}, "result": answer}}


def test_score_matches_by_input_identity() -> None:
    lines = [line(0, 5), line(2, 7), line(2, 7, repeated=True), line(2, 7), line(9, 1), line(1, 6, source="other")]
    counted = score("replay", [5, 6, 8], lines)
    assert (counted.produced, counted.received, counted.lost) == (3, 2, 1)
    assert (counted.duplicated, counted.repeats) == (2, 1)
    assert counted.accuracy == 0.5


def test_score_of_nothing() -> None:
    assert score("replay", [1, 2], []) == (2, 0, 2, 0, 0, 0.0)


class Running:
    """A demo in a folder of its own; everything that it starts carries a mark in its environment."""

    def __init__(self, folder: Path) -> None:
        self._mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools.demo", str(folder)],
            cwd=ROOT,
            env=os.environ | {MARK: self._mark, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_for(self, words: str) -> str:
        assert self.process.stdout
        seen = []
        for text in self.process.stdout:
            seen.append(text)
            if words in text:
                return "".join(seen)
        raise AssertionError(f"it ended without {words!r}:\n{''.join(seen)}")

    def alive(self) -> list[str]:
        """Command lines of the processes that carry the mark."""
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"{MARK}={self._mark}".encode() in environ.read_bytes():
                    found.append((environ.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found

    def wait_until_gone(self) -> None:
        deadline = time.monotonic() + GONE_WITHIN_S
        while left := self.alive():
            assert time.monotonic() < deadline, f"left behind: {left}"
            time.sleep(0.1)


def _agent_environment() -> None:
    if not (ROOT / "build" / "agent-venv" / "bin" / "edge-agent").exists():
        pytest.skip("build/agent-venv is missing: type make setup")


def test_the_demo_works_and_can_be_interrupted_anywhere(tmp_path: Path) -> None:
    """One test, in this order: the first run may train the model, which the others then find."""
    _agent_environment()
    whole = Running(tmp_path / "whole")
    output, _ = whole.process.communicate(timeout=WAIT_S)
    assert whole.process.returncode == 0, output
    whole.wait_until_gone()
    summary = json.loads((tmp_path / "whole" / "summary.json").read_text(encoding="utf-8"))
    _check_summary(summary)
    assert (tmp_path / "whole" / "data" / "godwit" / "repository").is_dir()  # and not in the user's own folder

    for words, how, code in (
        ("One proven bundle", signal.SIGINT, 130),
        ("the broker is stopped", signal.SIGINT, 130),
        ("… and started again", signal.SIGKILL, -signal.SIGKILL),
    ):
        demo = Running(tmp_path / f"interrupted-{words[:6]}")
        demo.wait_for(words)
        time.sleep(0.5)  # so that whatever the step starts is running
        assert len(demo.alive()) > 1, "nothing was started yet: the test would prove nothing"
        demo.process.send_signal(how)
        demo.process.communicate(timeout=WAIT_S)
        assert demo.process.returncode == code
        demo.wait_until_gone()


def _check_summary(summary: dict[str, object]) -> None:
    assert set(summary) == {
        "profiles",
        "predictions",
        "accuracy_over_mqtt",
        "cold_start_ms",
        "supervisor_pss_mb",
        "worker_pss_mb",
        "report",
    }
    profiles = summary["profiles"]
    assert isinstance(profiles, list)
    assert [row["profile"] for row in profiles] == [
        "raspberry-pi-5",
        "jetson-orin-nano",
        "android-phone",
        "linux-x86_64",
    ]
    keys = {"profile", "recipe", "format", "accuracy", "float_accuracy", "size_bytes", "p50_ms"}
    assert all(set(row) == keys for row in profiles)
    predictions = summary["predictions"]
    assert isinstance(predictions, dict)
    assert set(predictions) == {"produced", "received", "lost", "duplicated"}
    assert (predictions["produced"], predictions["received"], predictions["lost"]) == (360, 360, 0)
    shipped = next(row for row in profiles if row["profile"] == "linux-x86_64")
    # The same bundle on the same items by the same code: not one answer may differ.
    assert summary["accuracy_over_mqtt"] == pytest.approx(shipped["accuracy"], abs=1e-9)
    assert shipped["accuracy"] >= 0.97
    assert Path(str(summary["report"])).is_file()
