"""Toolchains: listed, refused by name, and nothing left of one that cannot be made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from converter import toolchain
from tests.converter.conftest import Godwit

NAMES = ["litert-torch", "onnx2tf", "tf-keras", "tflite-runtime", "torch"]


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder without toolchains and without packages, on a machine that is offline."""
    for variable, folder in (("XDG_CACHE_HOME", "cache"), ("UV_CACHE_DIR", "uv")):
        monkeypatch.setenv(variable, str(tmp_path / folder))
    monkeypatch.setenv("UV_OFFLINE", "1")
    return tmp_path / "cache"


def test_all_are_listed(empty_cache: Path, godwit: Godwit) -> None:
    code, out, _ = godwit("toolchain", "--json")
    assert code == 0
    assert [(each["name"], each["ready"], each["size_bytes"]) for each in json.loads(out)] == [
        (name, False, 0) for name in NAMES
    ]
    assert not empty_cache.exists()


def test_pins_are_exact_and_name_no_index() -> None:
    for name in NAMES:
        lines = (toolchain.PINS / f"{name}.txt").read_text().splitlines()
        pins = [line for line in lines if not line.startswith("#")]
        assert pins
        assert all("==" in pin and "/" not in pin for pin in pins), name


def test_offline_is_one_line_and_leaves_nothing(empty_cache: Path, godwit: Godwit) -> None:
    code, out, err = godwit("toolchain", "prepare", "tf-keras")
    assert (code, out) == (4, "")
    told = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(told) == 1
    assert told[0].startswith("error: toolchain tf-keras: expected an environment that uv can make, found ")
    assert told[0].endswith("godwit toolchain prepare tf-keras")
    assert [path for path in empty_cache.rglob("*") if not path.is_dir()] == []
    assert list((empty_cache / "godwit" / "toolchains").iterdir()) == []


def test_what_a_killed_process_left_is_cleared(empty_cache: Path, godwit: Godwit) -> None:
    left = empty_cache / "godwit" / "toolchains" / ".making-abc" / "environment"
    left.mkdir(parents=True)
    godwit("toolchain", "prepare", "tf-keras")
    assert not left.parent.exists()


def test_a_cache_that_is_no_folder(empty_cache: Path, godwit: Godwit) -> None:
    empty_cache.touch()
    code, _, err = godwit("toolchain", "prepare", "tf-keras")
    assert code == 4
    assert "XDG_CACHE_HOME" in err.splitlines()[-1]


@pytest.mark.parametrize("command", ["prepare", "remove"])
def test_an_unknown_name(godwit: Godwit, command: str) -> None:
    code, _, err = godwit("toolchain", command, "onnx3tf")
    assert code == 2
    assert err == "error: toolchain: expected a known name, found 'onnx3tf'; did you mean 'onnx2tf'?\n"


def test_remove_takes_older_pins_too_and_nothing_else(empty_cache: Path, godwit: Godwit) -> None:
    home = empty_cache / "godwit" / "toolchains"
    for name in ("torch-0123456789ab", "litert-torch-0123456789ab"):
        (home / name).mkdir(parents=True)
    assert godwit("toolchain", "remove", "torch")[0] == 0
    assert [path.name for path in home.iterdir()] == ["litert-torch-0123456789ab"]
