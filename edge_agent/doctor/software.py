"""The software: Python, the packages that this configuration needs, and whether the claimed runtimes load at all."""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from edge_agent.doctor.check import Check, Level, Patient
from edge_agent.source_config import Camera, Serial
from firmware_profiles.words import RuntimeName

_OLDEST, _NEWEST = (3, 10), (3, 13)
_LOAD_TIMEOUT_S = 120.0  # an emulated or very busy device takes its time
_MODULES: dict[RuntimeName, tuple[str, str]] = {
    "litert": ("ai_edge_litert.interpreter", "agent-litert"),
    "onnx": ("onnxruntime", "agent-onnx"),
    "tflite": ("tflite_runtime.interpreter", "agent-tflite"),
}
"""Runtime → what is imported for it, and the extra that brings it."""


def checks(patient: Patient) -> Iterator[Check]:
    """See the module."""
    yield _python()
    yield _packages(patient)
    yield from _runtimes(patient)


def _python() -> Check:
    found = f"Python {platform.python_version()}, {platform.libc_ver()[0] or 'libc'} {platform.libc_ver()[1]}"
    if _OLDEST <= sys.version_info[:2] <= _NEWEST:
        return Check("python", "ok", found)
    return Check("python", "fail", found, "use Python 3.10 to 3.13: godwit kit brings the wheels for it")


def _packages(patient: Patient) -> Check:
    """Those without which a part of what is configured does not work."""
    config = patient.config
    wanted = {"numpy": "agent", "paho": "agent", "PIL": "agent"}
    if config.http.listen:
        wanted["httptools"] = "agent"
    if any(isinstance(source, Serial) for source in config.source):
        wanted["serial"] = "agent"
    if any(isinstance(source, Camera) for source in config.source):
        wanted["cv2"] = "camera"
    if missing := {name: extra for name, extra in wanted.items() if find_spec(name) is None}:
        step = f"pip install 'godwit[{','.join(sorted(set(missing.values())))}]', or bring the agent kit again"
        return Check("wheels", "fail", f"missing: {', '.join(missing)}", step)
    return Check("wheels", "ok", f"all {len(wanted)} that this configuration needs")


def _runtimes(patient: Patient) -> Iterator[Check]:
    """Each claimed runtime, loaded in a process of its own: a wheel for another CPU can end it."""
    claimed = dict.fromkeys(claim.runtime for model in patient.deployment.manifest.models for claim in model.runtimes)
    usable = 0
    found = []
    for runtime in claimed:
        module, extra = _MODULES.get(runtime, ("edge_agent.runtimes.null", "agent"))
        reason = _why_not(module)
        usable += not reason
        step = f"pip install 'godwit[{extra}]', or bring the agent kit for this Python and CPU" if reason else ""
        found.append((runtime, reason, step))
    for runtime, reason, step in found:
        level: Level = "ok" if not reason else "warn" if usable else "fail"
        yield Check(f"runtime {runtime}", level, reason or "loads", step)


def _why_not(module: str) -> str:
    """Why it cannot be imported; empty where it can."""
    if find_spec(module.partition(".")[0]) is None:
        return "not installed"
    line = [sys.executable, "-c", f"import {module}"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=_LOAD_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return f"does not load within {_LOAD_TIMEOUT_S:.0f} s"
    if done.returncode < 0:
        return f"loading it ends the process by {signal.Signals(-done.returncode).name}"
    return (done.stderr.strip().splitlines() or ["it does not load"])[-1] if done.returncode else ""
