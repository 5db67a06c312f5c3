"""Which packages a device needs for the runtimes that it uses: the smallest set, declared here."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from packaging.utils import parse_wheel_filename

from firmware_profiles.errors import InputError, Problem
from firmware_profiles.profile import RuntimeRow
from fleet.agent_kit.userland import Userland

_ALWAYS = ("agent-identity", "agent-update")
_EXTRAS = {"litert": "agent-litert", "onnx": "agent-onnx", "tflite": "agent-tflite"}
# The runtimes' packages declare these for their tools, or never import them at all when a model runs
# (tests/fleet/test_agent_kit.py runs models without them); click is for the `godwit` command.
NEVER_IMPORTED = ("click", "coloredlogs", "flatbuffers", "packaging", "protobuf", "sympy", "tqdm")
# What these delegates need is in no public wheel for devices: it comes from the vendor.
_VENDORS = {"cuda": "onnxruntime-gpu", "tensorrt": "onnxruntime-gpu", "openvino": "onnxruntime-openvino"}
# It gives Python 3.10 what later ones have, and its wheel refuses those.
_BACKPORTS = ("backports-strenum",)
_LAST_TFLITE_PYTHON = ("3.10", "3.11")


class Wanted(NamedTuple):
    """What a kit is made of.

    Attributes:
        extras: of the distribution `godwit`.
        vendor: wheels from a folder, by distribution name.
        excluded: distributions that stay out.
        cautions: what this kit cannot do, for people.
    """

    extras: list[str]
    vendor: dict[str, Path]
    excluded: list[str]
    cautions: list[str]


def want(rows: Iterable[RuntimeRow], userland: Userland, vendor: dict[str, Path]) -> Wanted:
    """What `rows` of a profile need there."""
    rows = list(rows)
    runtimes = dict.fromkeys(row.runtime for row in rows)
    cautions = []
    if "tflite" in runtimes and userland.python not in _LAST_TFLITE_PYTHON and "tflite-runtime" not in vendor:
        del runtimes["tflite"]
        cautions.append(f"no tflite-runtime: its last wheels are for Python 3.11, the device has {userland.python}")
    missing = {row.delegate: _VENDORS[row.delegate] for row in rows if row.delegate in _VENDORS}
    cautions += [
        f"no {delegate}: it needs the vendor's {package} wheel, by --wheels DIR"
        for delegate, package in missing.items()
        if package not in vendor
    ]
    # Both bring the module onnxruntime: the vendor's takes the place of the registry's.
    replaced = ["onnxruntime"] if vendor.keys() & set(_VENDORS.values()) else []
    extras = ["agent", *_ALWAYS, *(_EXTRAS[runtime] for runtime in runtimes if runtime in _EXTRAS)]
    backports = [] if userland.python == "3.10" else _BACKPORTS
    return Wanted(extras, vendor, [*NEVER_IMPORTED, *backports, *replaced], cautions)


def vendor_wheels(folder: Path | None, userland: Userland) -> dict[str, Path]:
    """The wheels of `folder` that run there, the newest of each distribution.

    Raises:
        InputError: there is no such folder, or nothing in it runs there.
    """
    if folder is None:
        return {}
    wheels = sorted(folder.glob("*.whl")) if folder.is_dir() else []
    fitting = [path for path in wheels if userland.runs(path.name)]
    if not fitting:
        expected = f"wheels for {userland.tag} on {userland.arch} with glibc {userland.glibc}"
        found = _names(path.name for path in wheels) if folder.is_dir() else "no such folder"
        raise InputError(Problem(f"--wheels {folder}", expected, found, "bring the vendor's wheels for that device"))
    newest = sorted(fitting, key=lambda path: parse_wheel_filename(path.name)[1])
    return {str(parse_wheel_filename(path.name)[0]): path for path in newest}


def _names(names: Iterable[str]) -> str:
    listed: Collection[str] = list(names)
    return ", ".join(list(listed)[:3]) or "none"
