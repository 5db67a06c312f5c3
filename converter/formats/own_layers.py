"""Layers of the user's own in a Keras file: which class each is of, and under which name it must be registered."""

from __future__ import annotations

import importlib
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from converter.reasons import short
from firmware_profiles.errors import InputError, Problem

_MOST_BYTES = 64 << 20
"""Of a configuration that is looked at; larger ones are none."""


def problems(path: Path) -> list[Problem]:
    """One for each class that Keras does not know, for a file that it could not load."""
    return [_problem(path, *each) for each in dict.fromkeys(_unknown(_config(path)))]


def register(file: Path) -> None:
    """Run the user's Python file, whose classes register themselves; what lies beside it can be imported.

    Raises:
        InputError: it ends with an error.
    """
    sys.path.insert(0, str(file.parent))
    try:
        importlib.import_module(file.stem)
    except Exception as error:  # noqa: BLE001  # the user's own code raises whatever it meets
        raise InputError(Problem(str(file), "Python that registers layers", short(error), "correct it")) from None


def _config(path: Path) -> Any:
    """What a .keras or .h5 file says of its layers; None where it cannot be read."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if archive.getinfo("config.json").file_size > _MOST_BYTES:
                    return None
                return json.loads(archive.read("config.json"))
        import h5py

        with h5py.File(path) as file:
            return json.loads(file.attrs.get("model_config", "null"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, RecursionError):
        return None


def _unknown(config: Any) -> Iterator[tuple[str, str, str]]:
    """(layer, class, name under which it is registered) of all below that are not Keras's own."""
    if isinstance(config, list):
        for each in config:
            yield from _unknown(each)
    if not isinstance(config, dict):
        return
    kind, module = str(config.get("class_name")), str(config.get("module"))
    # .h5 files have the registered name in the class's place.
    registered, inner = config.get("registered_name") or (kind if ">" in kind else None), config.get("config")
    if (
        isinstance(inner, dict)
        and registered
        and not module.startswith("keras")
        and not keras.saving.get_registered_object(str(registered))
    ):
        yield str(inner.get("name", kind)), kind.rpartition(">")[2], str(registered)
    for each in config.values():
        yield from _unknown(each)


def _problem(path: Path, layer: str, kind: str, registered: str) -> Problem:
    package, _, name = registered.rpartition(">")
    decorator = f'@keras.saving.register_keras_serializable("{package or "yours"}", "{name}")'
    found = f"{kind}, of your own"
    step = f"put {decorator} over {kind} in a Python file, and name that as layers in [model]"
    return Problem(f"{path}: {layer}", "a layer that Keras knows", found, step)
