"""The list of contents: what is gathered comes back, and nothing else is taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_profiles.errors import InputError
from firmware_profiles.serial_link import contents
from firmware_profiles.serial_link.bitmap import Bitmap
from firmware_profiles.serial_link.chunks import Chunks
from firmware_profiles.serial_link.contents import Contents, File
from firmware_profiles.serial_link.messages import CHUNK_BYTES

_SHA256 = "0" * 64


def test_a_folder_becomes_a_list_and_comes_back(tmp_path: Path) -> None:
    (tmp_path / "kit" / "metadata").mkdir(parents=True)
    (tmp_path / "kit" / "metadata" / "1.root.json").write_bytes(b"{}")
    (tmp_path / "root.json").write_bytes(b"trust")
    cargo = contents.gather(tmp_path / "kit", tmp_path / "root.json", device_id="door-7", broker="mqtt://b")
    assert [file.path for file in cargo.contents.files] == ["kit/metadata/1.root.json", "root.json"]
    assert [path.read_bytes() for path in cargo.paths] == [b"{}", b"trust"]
    assert contents.decode(cargo.contents.encode()) == cargo.contents


@pytest.mark.parametrize("name", [".hidden", "a b", "ä", "x" * 129])
def test_a_name_that_could_mean_something_there_does_not_travel(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="path, size and hash"):
        contents.gather(tmp_path, None)


def test_an_empty_kit_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 to 4096 files"):
        contents.gather(tmp_path, None)


def entry(path: str = "kit/a", size: Any = 1, sha256: str = _SHA256) -> dict[str, Any]:
    return {"path": path, "size_bytes": size, "sha256": sha256}


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"format": 2, "files": [entry()]},
        {"format": 1, "files": []},
        {"format": 1, "files": [entry()] * 4097},
        {"format": 1, "files": [entry(), entry()]},
        {"format": 1, "files": [entry("kit/a"), entry("kit/a/b")]},
        {"format": 1, "files": [entry("kit/../etc/passwd")]},
        {"format": 1, "files": [entry("/kit/a")]},
        {"format": 1, "files": [entry("kit/a\n")]},
        {"format": 1, "files": [entry("kit/a/./b")]},
        {"format": 1, "files": [entry("kit")]},
        {"format": 1, "files": [entry("elsewhere/a")]},
        {"format": 1, "files": [entry("kit/" + "/".join("abcdefghi"))]},
        {"format": 1, "files": [entry(size=-1)]},
        {"format": 1, "files": [entry(size=True)]},
        {"format": 1, "files": [entry(size=1.5)]},
        {"format": 1, "files": [entry(size=1 << 33)]},
        {"format": 1, "files": [entry(sha256="0" * 63 + "G")]},
        {"format": 1, "files": [{"path": "kit/a"}]},
        {"format": 1, "files": [entry()], "broker": 7},
        {"format": 1, "files": [entry()], "device_id": "a\nb"},
    ],
)
def test_a_hostile_list_is_refused(document: Any) -> None:
    with pytest.raises(InputError):
        contents.decode(json.dumps(document).encode())


@given(st.binary(max_size=300) | st.just(b"[" * 100_000))
def test_bytes_are_a_list_or_refused(raw: bytes) -> None:
    with pytest.raises(InputError):
        contents.decode(raw)


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=8))
def test_chunks_cover_every_file_once(sizes: list[int]) -> None:
    chunks = Chunks(sizes)
    seen = [0] * len(sizes)
    at = 0
    while at < chunks.count:
        file, offset = chunks.place(at)
        assert offset == seen[file]
        count = chunks.end_of_file(at) - at
        length = chunks.length_bytes(at, count)
        assert chunks.covered(at, length) == count
        assert chunks.covered(at, length + 1) == 0
        seen[file] += length
        at += count
    assert seen == sizes


@given(st.integers(1, 3000), st.integers(0, 4000), st.binary(max_size=100))
def test_a_bitmap_takes_any_acknowledgement(count: int, base: int, bits: bytes) -> None:
    bitmap = Bitmap(count)
    bitmap.merge(base, bits)
    assert bitmap.base >= min(base, count)
    assert bitmap.complete == all(chunk in bitmap for chunk in range(count))
    assert Bitmap(count, bitmap.bits()).base == bitmap.base
    other = Bitmap(count)
    other.merge(bitmap.base, bitmap.window())
    assert other.base == bitmap.base


def test_contents_of_4_gib_have_as_many_chunks_as_there_are_numbers() -> None:
    most = Contents((File("kit/a", CHUNK_BYTES << 24, _SHA256),))
    assert contents.decode(most.encode()) == most
