"""Source formats are told apart by content, and what is wrong with a file is said."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from converter.formats import base
from firmware_profiles.errors import InputError
from tests.converter.conftest import MODELS


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    for name, expected in (("tiny-float32.tflite", "tflite"), ("tiny-float32.onnx", "onnx")):
        odd = tmp_path / f"{name}.bin"
        odd.write_bytes((MODELS / name).read_bytes())
        assert base.detect(odd) == expected
    (tmp_path / "m.h5").write_bytes(b"\x89HDF\r\n\x1a\n rest")
    assert base.detect(tmp_path / "m.h5") == "h5"
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    assert base.detect(tmp_path / "m.keras") == "keras"
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").touch()
    assert base.detect(tmp_path / "saved") == "savedmodel"


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        base.detect(path)
    return str(caught.value)


def test_what_was_found_instead_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(pickle.dumps({"weights": 1}, protocol=2))
    assert "found a Python pickle" in refused(path)
    path.write_bytes(b"")
    assert "found an empty file" in refused(path)
    path.write_bytes(b"hello there")
    assert "begins with b'hello th'" in refused(path)
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))
    assert "found a NumPy array" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", "")
    assert "found a PyTorch file" in refused(path)
    path.write_bytes(path.read_bytes()[:20])
    assert "expected a whole .keras file (a ZIP)" in refused(path)
    assert "found no such file" in refused(tmp_path / "absent")
    assert "a folder without saved_model.pb" in refused(tmp_path)
