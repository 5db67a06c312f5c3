"""Make the Python environments that the Makefile names; the standard library only.

`python3 -m tools.environment main|agent|tflite|openvino|amqtt|triton`, in the repository's root:

- main, `.venv`: everything, with the project in place (editable).
- agent, `build/agent-venv`: what a device gets: the agent, two runtimes and signed updates, compiled, no TensorFlow.
- tflite, `build/tflite-venv`: the agent with the last tflite-runtime; Python 3.10 and 3.11 only.
- openvino, `build/openvino-venv`: the agent with Intel's ONNX Runtime; made when a system test wants it.
- amqtt, `build/amqtt-venv`: a broker in pure Python, for a demo without mosquitto; made when that wants it.
- triton, `build/triton-venv`: NVIDIA's client of the Open Inference Protocol; made when its test wants it.
"""

from __future__ import annotations

import fcntl
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from firmware_profiles.errors import InputError, Problem, UnavailableError, did_you_mean, guarded
from tools import debian

_ROOT = Path(__file__).parent.parent
_MAIN = _ROOT / ".venv"
_UV = _MAIN / "bin" / "uv"
AMQTT = _ROOT / "build" / "amqtt-venv"
TRITON = _ROOT / "build" / "triton-venv"
_OLDEST, _NEWEST = (3, 10), (3, 13)
_NEWEST_WITH_TFLITE = (3, 11)


def make_main() -> None:
    """`.venv`, with uv inside it, which makes everything else."""
    if not _OLDEST <= sys.version_info[:2] <= _NEWEST:
        found = f"{sys.version_info[0]}.{sys.version_info[1]}"
        step = "name another one: make setup PYTHON=python3.11"
        raise UnavailableError(Problem(sys.executable, "Python 3.10 to 3.13", found, step))
    if not _UV.exists():
        if importlib.util.find_spec("ensurepip") is None:
            # Debian keeps this part of the standard library in a package of its own.
            debian.install(f"python{sys.version_info[0]}.{sys.version_info[1]}-venv", "Python's module ensurepip")
        _run([sys.executable, "-m", "venv", str(_MAIN)])
        _run([str(_MAIN / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv>=0.7"])
    _install(_MAIN, ["--editable", ".[convert,fleet]", "--group", "dev"], _constraints(_MAIN, ""))


def make_agent() -> None:
    """`build/agent-venv`."""
    extras = "agent-litert,agent-onnx,agent-update"
    _make_device_environment(_ROOT / "build" / "agent-venv", _python_of(_MAIN), extras, "")


def make_tflite() -> None:
    """`build/tflite-venv`, or only a word why there is none: tests that want it are left out then."""
    python = next(
        (path for path in (_python_of(_MAIN), *_older_pythons()) if _version(path) <= _NEWEST_WITH_TFLITE), ""
    )
    if not python:
        _say("build/tflite-venv: left out, since tflite-runtime wants Python 3.10 or 3.11 and none is here")
        return
    _make_device_environment(_ROOT / "build" / "tflite-venv", python, "agent-tflite", "-tflite")


def make_openvino() -> None:
    """`build/openvino-venv`."""
    _make_device_environment(_ROOT / "build" / "openvino-venv", _python_of(_MAIN), "agent-openvino", "")


def make_amqtt() -> None:
    """`build/amqtt-venv`, unless it is there."""
    _make_once(AMQTT, "amqtt", "amqtt")


def make_triton() -> None:
    """`build/triton-venv`, unless it is there."""
    _make_once(TRITON, "tritonclient[http]", "triton")


def _make_once(folder: Path, wanted: str, constraints: str) -> None:
    """One process at a time makes it."""
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            _make_empty(folder, _python_of(_MAIN))
            _install(folder, [wanted], constraints)
            (folder / ".ready").touch()


def _make_device_environment(folder: Path, python: str, extras: str, variant: str) -> None:
    """As on a device: the project copied, not linked, and compiled, so that start-up is what a device sees."""
    _make_empty(folder, python)
    wanted = ["--compile-bytecode", "--reinstall-package", "godwit", f".[{extras}]"]
    _install(folder, wanted, _constraints(folder, variant))


def _make_empty(folder: Path, python: str) -> None:
    if not (folder / "bin" / "python").exists():
        _run([str(_UV), "venv", "--quiet", "--python", python, str(folder)])


def _constraints(folder: Path, variant: str) -> str:
    major, minor = _version(_python_of(folder))
    return f"py{major}{minor}{variant}"


def _install(folder: Path, wanted: list[str], constraints: str) -> None:
    python, file = _python_of(folder), f"constraints/{constraints}.txt"
    major, minor = _version(python)
    _say(f"{folder.relative_to(_ROOT)}: Python {major}.{minor}, versions from {file}")
    # Exact: what an earlier version wanted goes away, as on a new machine.
    exact = ["--exact", "uv>=0.7", "pip"] if folder == _MAIN else ["--exact"]
    _run([str(_UV), "pip", "install", "--quiet", "--python", python, "--constraints", file, *exact, *wanted])


def _python_of(folder: Path) -> str:
    return str(folder / "bin" / "python")


def _older_pythons() -> list[str]:
    return list(filter(None, map(shutil.which, ("python3.11", "python3.10"))))


def _version(python: str) -> tuple[int, int]:
    """(major, minor) of that interpreter; a shim that cannot start counts as too new."""
    line = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    answer = subprocess.run(line, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        return (99, 0)
    major, minor = answer.stdout.split()
    return int(major), int(minor)


def _run(line: list[str]) -> None:
    try:
        subprocess.run(line, cwd=_ROOT, check=True)
    except subprocess.CalledProcessError as error:
        step = "its own message is above"
        raise UnavailableError(Problem(" ".join(line), "exit status 0", str(error.returncode), step)) from None


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    """Make the environment named on the command line."""
    makers = {
        "main": make_main,
        "agent": make_agent,
        "tflite": make_tflite,
        "openvino": make_openvino,
        "amqtt": make_amqtt,
        "triton": make_triton,
    }
    name = "".join(sys.argv[1:])
    if name not in makers:
        raise InputError(Problem("environment", "a known name", repr(name), did_you_mean(name, makers)))
    makers[name]()
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
