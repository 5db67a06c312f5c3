"""A bundle: what was packed is what is read, in the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import zipfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_profiles import bundle, canonical_zip
from firmware_profiles.bundle import Bundle
from firmware_profiles.canonical_zip import Member
from firmware_profiles.manifest import Manifest

MEMBER_NAMES = st.from_regex(
    re.compile(r"[a-z0-9_][A-Za-z0-9_.-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}){0,3}"), fullmatch=True
)


def test_a_bundle_is_read_back(packed: Path, members: dict[str, bytes]) -> None:
    with Bundle(packed) as opened:
        assert {name: opened.read(name) for name in opened.manifest.files} == members
        assert opened.sha256 == hashlib.sha256(packed.read_bytes()).hexdigest()


# The manifest and the members are the same in every example, so one fixture for all of them does no harm.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(extra=st.dictionaries(MEMBER_NAMES | st.text(), st.binary(max_size=300), max_size=8))
def test_what_is_written_can_be_read_and_extracted(
    pets: Manifest, members: dict[str, bytes], extra: dict[str, bytes]
) -> None:
    contents = extra | members
    with TemporaryDirectory() as folder:
        path = Path(folder) / "any.godwit"
        try:
            bundle.write(path, pets, contents)
        except ValueError:
            assert not path.exists()
            return
        with Bundle(path) as opened:
            assert {name: opened.read(name) for name in opened.manifest.files} == contents
            opened.extract(Path(folder) / "out")
        assert {name: (Path(folder) / "out" / name).read_bytes() for name in contents} == contents


@pytest.mark.parametrize(
    "names",
    [
        ["manifest.json"],
        ["Manifest.JSON"],
        ["manifest.JSON"],
        ["../up"],
        ["/root"],
        ["a//b"],
        ["a/./b"],
        ["c:\\d"],
        ["name\n"],
        ["é"],
        [""],
        ["a" * 101],
        ["a/b/c/d/e"],
        ["same", "sAME"],
        ["a", "a/b"],
        [f"m{index}" for index in range(bundle.MAX_MEMBERS)],
    ],
    ids=lambda names: repr(names)[:20],
)
def test_members_that_could_not_be_read_are_not_written(tmp_path: Path, pets: Manifest, names: list[str]) -> None:
    with pytest.raises(ValueError, match="member"):
        bundle.write(tmp_path / "b.godwit", pets, dict.fromkeys(names, b""))
    assert list(tmp_path.iterdir()) == []


def test_the_same_content_is_the_same_bytes(tmp_path: Path, pets: Manifest, members: dict[str, bytes]) -> None:
    first, second = tmp_path / "1.godwit", tmp_path / "2.godwit"
    bundle.write(first, pets, members)
    bundle.write(second, pets, dict(reversed(members.items())))
    assert first.read_bytes() == second.read_bytes()


def test_the_form_never_changes() -> None:
    member = Member("a.txt", 3, zlib.crc32(b"abc"), lambda: [b"abc"])
    raw = b"".join(canonical_zip.stream([member]))
    (info,) = zipfile.ZipFile(io.BytesIO(raw)).infolist()
    assert (info.date_time, info.external_attr >> 16, info.extra) == ((1980, 1, 1, 0, 0, 0), 0o100644, b"")
    # Written down once: another digest means that every bundle there is would be refused.
    assert hashlib.sha256(raw).hexdigest() == "a9ec00742a75c018e0a16761294dfb32c94f19fe467a216275c4f3458ecf54f2"


def test_the_manifest_names_every_member_with_its_hash(
    tmp_path: Path, pets: Manifest, members: dict[str, bytes]
) -> None:
    written = bundle.write(tmp_path / "b.godwit", pets, members)
    assert {name: entry.sha256 for name, entry in written.files.items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in members.items()
    }


def test_a_bundle_is_named_after_what_it_holds(pets: Manifest) -> None:
    assert bundle.file_name(pets) == "pets-1.0-raspberry-pi-5.godwit"


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
def test_unzip_opens_it(packed: Path, members: dict[str, bytes], tmp_path: Path) -> None:
    subprocess.run(["unzip", "-tq", packed], check=True)
    subprocess.run(["unzip", "-q", packed, "-d", tmp_path / "out"], check=True)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in members} == members
