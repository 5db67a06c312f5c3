"""Small real projects, and the front door called in this process; what it starts is real."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from converter import toolchain
from converter.report import Report
from firmware_profiles import profile
from firmware_profiles.errors import UnavailableError
from godwit import cli

ROOT = Path(__file__).parent.parent.parent
MODELS = ROOT / "tests" / "edge_agent" / "models"
DATA = ROOT.parent / "shared" / "data"

TINY_MULTIPLY_ADDS = 4 * 4 * 4 * 9 + 64 * 64 + 64 * 3
"""4 filters of 3 × 3 × 1 at 4 × 4 places, then 64 → 64 and 64 → 3."""

Godwit = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What conversions remember goes away with the tests; toolchains, which take minutes to make, stay."""
    real = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "godwit" / "toolchains"
    ours = tmp_path_factory.mktemp("cache")
    (ours / "godwit").mkdir()
    real.mkdir(parents=True, exist_ok=True)
    (ours / "godwit" / "toolchains").symlink_to(real)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(ours))
        yield


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], str]], str]:
    """`once(name, made)`: what `made` tells, called with a folder by one of the processes that share the tests."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def call(name: str, made: Callable[[Path], str]) -> str:
        folder = shared / name
        folder.mkdir(exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            told = folder / "told"
            if not told.exists():
                told.write_text(made(folder), encoding="utf-8")
            return told.read_text(encoding="utf-8")

    return call


@pytest.fixture(scope="session")
def facts_of(once: Callable[[str, Callable[[Path], str]], str]) -> Callable[[str], Any]:
    """`facts_of(module)`: the facts that a module beside this file prints last, in JSON."""

    def run(module: str) -> Any:
        line = [sys.executable, "-m", f"tests.converter.{module}"]

        def made(_: Path) -> str:
            return subprocess.run(line, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout

        return json.loads(once(module, made).splitlines()[-1])

    return run


@pytest.fixture
def godwit(capfd: pytest.CaptureFixture[str]) -> Godwit:
    """`godwit(arguments…)` → exit code, stdout, stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        told = capfd.readouterr()
        return code, told.out, told.err

    return call


@pytest.fixture(scope="session")
def made() -> Callable[[str], None]:
    """`made(name)` makes a toolchain as a user would; without a network the test is left out."""

    def make(name: str) -> None:
        try:
            toolchain.prepare(name, print)
        except UnavailableError as error:
            pytest.skip(str(error))

    return make


def images(count: int, seed: int = 1) -> Any:
    """Gray images uint8 [count, 6, 6]: some dark, some light, so that the small models see different classes."""
    random = np.random.default_rng(seed)
    level = random.uniform(0, 200, (count, 1, 1))
    return np.clip(level + random.normal(0, 40, (count, 6, 6)), 0, 255).astype(np.uint8)


def tiny_project(folder: Path, source: Path = MODELS / "tiny-float32.onnx", **changes: dict[str, Any]) -> Path:
    """A project of one of the small models, with 120 calibration and 80 labelled evaluation images.

    Args:
        changes: table → keys to replace; a value of None removes the key.
    """
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "calibration.npz", x=images(120))
    np.savez(folder / "evaluation.npz", x=images(80, seed=2), y=np.arange(80) % 3)
    document: dict[str, dict[str, Any]] = {
        "model": {"name": "tiny", "version": "1.0.0", "source": str(source), "task": "classification"},
        "input": {"kind": "image", "colour": "gray", "scale": 1 / 255},
        "data": {"calibration": "calibration.npz", "evaluation": "evaluation.npz"},
        "goal": {"max_drop_points": 5.0},
        "targets": {"profiles": ["linux-x86_64"]},
    }
    if source.suffix == ".onnx":
        document["targets"] = {"profiles": [_with_onnx_recipes_only(folder)]}
    for table, keys in changes.items():
        merged = {**document.get(table, {}), **keys}
        document[table] = {key: value for key, value in merged.items() if value is not None}
    path = folder / "godwit.toml"
    path.write_text(_toml(document), encoding="utf-8")
    return path


def _with_onnx_recipes_only(folder: Path) -> str:
    """The profile linux-x86_64 without its TFLite recipes: the way there is a toolchain, and takes long."""
    text = (profile.DATA / "linux-x86_64.toml").read_text(encoding="utf-8")
    names = [name for name in profile.load("linux-x86_64").recipes if name.startswith("onnx-")]
    (folder / "onnx-only.toml").write_text(re.sub(r"(?ms)^recipes = \[.*?\]", f"recipes = {names}", text))
    return "onnx-only.toml"


def _toml(document: dict[str, dict[str, Any]]) -> str:
    lines = []
    for table, keys in document.items():
        below = {f"{table}.{key}": value for key, value in keys.items() if isinstance(value, dict)}
        plain = {key: value for key, value in keys.items() if not isinstance(value, dict)}
        for name, values in {table: plain, **below}.items():
            lines.append(f"[{name}]")
            lines += [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def report(text: str) -> Report:
    """What `convert --json` printed."""
    return msgspec.json.decode(text, type=Report)


def alive(pid: int) -> bool:
    """Running: neither gone nor a zombie that nobody waits for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    """Until it holds; the limit is only there so that a failing test ends."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
