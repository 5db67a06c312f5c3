"""A bundle that is not byte for byte what was packed is refused, in one line, before anything is used."""

from __future__ import annotations

import io
import json
import stat
import struct
import tracemalloc
import zipfile
import zlib
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_profiles import bundle, canonical_zip
from firmware_profiles.bundle import Bundle
from firmware_profiles.canonical_zip import Member
from firmware_profiles.errors import BundleError
from firmware_profiles.manifest import Manifest


def refusal(path: Path) -> str:
    """The one line that says why the bundle at `path` is refused."""
    with pytest.raises(BundleError) as caught:
        Bundle(path)
    (line,) = str(caught.value).splitlines()
    return line


def repacked(path: Path, compression: int = zipfile.ZIP_STORED, **changes: bytes) -> Path:
    """Another ZIP of the same members by Python's own writer, some contents replaced (`_` for `.` and `/`)."""
    target = path.with_suffix(".zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", compression) as new:
        for info in old.infolist():
            key = info.filename.replace(".", "_").replace("/", "_")
            new.writestr(info.filename, changes.get(key, old.read(info)))
    return target


def canonical(path: Path, *members: tuple[str, bytes]) -> Path:
    """A file in the canonical form of `members`, whatever they are."""
    made = [Member(name, len(content), zlib.crc32(content), partial(list, [content])) for name, content in members]
    path.write_bytes(b"".join(canonical_zip.stream(made)))
    return path


@pytest.mark.parametrize("flip", [0x01, 0x80])
def test_every_changed_byte_is_refused(packed: Path, flip: int) -> None:
    whole = packed.read_bytes()
    accepted = []
    for index in range(len(whole)):
        changed = bytearray(whole)
        changed[index] ^= flip
        packed.write_bytes(changed)
        try:
            Bundle(packed)
        except BundleError:
            continue
        accepted.append(index)
    assert accepted == []


# Every example writes the whole file anew.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_other_bytes_are_refused(packed: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = packed.read_bytes()
    start, stop = sorted(data.draw(st.tuples(st.integers(0, len(whole)), st.integers(0, len(whole)))))
    changed = whole[:start] + data.draw(st.binary(max_size=64)) + whole[stop:]
    other = tmp_path / "other.godwit"
    other.write_bytes(changed)
    if changed != whole:
        refusal(other)


def test_a_truncated_file_is_refused(packed: Path) -> None:
    whole = packed.read_bytes()
    for size in range(len(whole)):
        packed.write_bytes(whole[:size])
        refusal(packed)


@pytest.mark.parametrize("before", [True, False])
def test_more_bytes_are_refused(packed: Path, before: bool) -> None:
    whole = packed.read_bytes()
    packed.write_bytes(b"#!/bin/sh\n" + whole if before else whole + b"\0")
    refusal(packed)


def test_a_bundle_twice_in_one_file_is_refused(packed: Path) -> None:
    packed.write_bytes(packed.read_bytes() * 2)
    assert "expected the end of the bundle, found more bytes" in refusal(packed)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.godwit").endswith(
        "expected a bundle, found no such file or directory; check the path"
    )


def test_a_folder_is_no_bundle(tmp_path: Path) -> None:
    assert "found is a directory" in refusal(tmp_path)


def test_a_compressed_member_is_refused_unread(packed: Path) -> None:
    bomb = repacked(packed, zipfile.ZIP_DEFLATED, models_pets_tflite=b"\0" * 100_000_000)
    assert bomb.stat().st_size < 200_000
    assert "members stored without compression" in refusal(bomb)


def test_a_link_is_refused(packed: Path) -> None:
    """The mode in the directory makes `unzip` write a symbolic link; the content is where it leads."""
    whole = packed.read_bytes()
    regular, link = ((mode << 16).to_bytes(4, "little") for mode in (0o100644, 0o120777))
    assert whole.count(regular) == 4
    packed.write_bytes(whole.replace(regular, link))
    assert stat.S_ISLNK(zipfile.ZipFile(packed).infolist()[0].external_attr >> 16)
    assert "the canonical form" in refusal(packed)


def test_members_that_share_their_bytes_are_refused(tmp_path: Path, packed: Path) -> None:
    """As of a bomb without compression: many entries of the directory lead to one member."""
    whole = packed.read_bytes()
    count, size, offset = struct.unpack("<10xHLL2x", whole[-22:])
    entry = whole[offset:][: 46 + len("manifest.json")]
    more = b"".join(entry.replace(b"manifest.json", f"manifest{n:05}".encode()) for n in range(100))
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count + 100, count + 100, size + len(more), offset, 0)
    packed.write_bytes(whole[:-22] + more + end)
    assert len(zipfile.ZipFile(packed).namelist()) == count + 100
    assert "exactly the members that the manifest names" in refusal(packed)


def test_another_zip_of_the_same_members_is_refused(packed: Path) -> None:
    assert "the canonical form" in refusal(repacked(packed))


def test_other_content_with_the_right_checksum_is_refused(packed: Path) -> None:
    assert "labels.txt with sha256" in refusal(repacked(packed, labels_txt=b"dog\ncat\n"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["labels.txt", "labels.txt"], "distinct names"),
        (["labels.txt", "lABELS.txt"], "distinct names"),
        (["a", "a/b"], "distinct names"),
        (["../labels.txt"], "plain member names"),
        (["/etc/passwd"], "plain member names"),
        (["labels.txt\n"], "plain member names"),
        (["a\\b"], "plain member names"),
        ([], "a member manifest.json"),
        ([f"m{index}" for index in range(bundle.MAX_MEMBERS + 1)], "at most 256 members"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_odd_names_are_refused(tmp_path: Path, names: list[str], expected: str) -> None:
    assert expected in refusal(canonical(tmp_path / "odd.godwit", *((name, b"x") for name in names)))


def test_a_member_that_the_manifest_does_not_name_is_refused(packed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    path = canonical(tmp_path / "more.godwit", *members, ("zz", b"more"))
    assert "a difference in zz" in refusal(path)
    path = canonical(tmp_path / "less.godwit", *members[:-1])
    assert "a difference in models/pets.tflite" in refusal(path)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b'{"format": 2}', b"\xff", b'{"later": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"],
    ids=["empty", "nothing", "format 2", "not UTF-8", "deep"],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, raw: bytes) -> None:
    assert "a manifest of format 1" in refusal(canonical(tmp_path / "m.godwit", ("manifest.json", raw)))


def test_a_model_without_its_file_is_refused(tmp_path: Path, pets: Manifest, members: dict[str, bytes]) -> None:
    del members["golden/pets.npz"]
    bundle.write(tmp_path / "m.godwit", pets, members)
    assert "the member golden/pets.npz of model pets" in refusal(tmp_path / "m.godwit")


def test_a_manifest_of_more_than_1_mib_is_refused_unread(tmp_path: Path) -> None:
    raw = json.dumps({"name": "x" * (1 << 20)}).encode()
    assert "a manifest of at most 1 MiB" in refusal(canonical(tmp_path / "m.godwit", ("manifest.json", raw)))


def test_a_huge_directory_is_refused_unread(tmp_path: Path) -> None:
    path = canonical(tmp_path / "huge.godwit", *((f"m{index}", b"") for index in range(60_000)))
    tracemalloc.start()
    try:
        assert "at most 256 members" in refusal(path)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # zipfile would hold the directory of 3 MB and some 30 MB of entries; pytest's own share is below 1 MB.
    assert peak_bytes < 1 << 20


def test_a_huge_directory_behind_a_second_end_record_is_refused_unread(tmp_path: Path) -> None:
    path = canonical(tmp_path / "huge.godwit", *((f"m{index}", b"") for index in range(60_000)))
    whole = path.read_bytes()
    count, size, offset = struct.unpack("<10xHLL2x", whole[-22:])
    large = b"PK\6\6" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = b"PK\6\7" + struct.pack("<LQL", 0, len(whole) - 22, 1)
    path.write_bytes(whole[:-22] + large + locator + b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 1, 1, 47, offset, 0))
    assert zipfile.ZipFile(path).namelist()[-1] == "m59999"
    assert "found another end" in refusal(path)


@pytest.mark.parametrize("size", [0, 1 << 31, 1 << 62, (1 << 63) + 1, (1 << 64) - 1])
@pytest.mark.parametrize("offset", [0, 1 << 31, 1 << 62, (1 << 64) - 1])
def test_an_end_record_that_lies_is_refused(tmp_path: Path, size: int, offset: int) -> None:
    path = tmp_path / "zip64.godwit"
    stream = io.BytesIO()
    stream.write(b"PK\6\6" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 1, 1, size, offset))
    stream.write(b"PK\6\7" + struct.pack("<LQL", 0, 0, 1))
    stream.write(b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))
    path.write_bytes(stream.getvalue())
    refusal(path)
