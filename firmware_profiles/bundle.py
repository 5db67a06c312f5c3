"""Read and write bundles: the one place that knows the file format.

A bundle is a ZIP that `unzip` opens, in the canonical form of `canonical_zip`, with `manifest.json`
first and the other members sorted by name. The same content is therefore the same bytes, and
reading checks just that: a file that is not byte for byte what writing its content would give is
refused, wherever it differs.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

import msgspec

from firmware_profiles import atomic, canonical_zip, manifest
from firmware_profiles.canonical_zip import Member
from firmware_profiles.errors import BundleError, Problem
from firmware_profiles.manifest import MANIFEST_NAME, FileEntry, Manifest

if TYPE_CHECKING:
    from typing_extensions import Self

SUFFIX = ".godwit"
MAX_MEMBERS = 256
_MEMBER_PATTERN = re.compile(r"^[a-z0-9_][A-Za-z0-9_.-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}){0,3}\Z")
_END = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR_BYTES = 20
_MAX_DIRECTORY_BYTES = MAX_MEMBERS * (46 + 403)  # the fixed part of an entry, and the longest name
_CHUNK_BYTES = 1 << 20
_SHIPPED_AGAIN = "copy or download it again"


def file_name(of: Manifest) -> str:
    """`NAME-VERSION-PROFILE.godwit`."""
    return f"{of.name}-{of.version}-{of.profiles[0]}{SUFFIX}"


def write(path: Path, of: Manifest, members: Mapping[str, bytes]) -> Manifest:
    """Write `members` and their manifest to `path` atomically.

    Args:
        of: the manifest; its `files` is filled in from `members`.
        members: name → content, without the manifest.

    Returns:
        The manifest as written.

    Raises:
        ValueError: a reader would refuse the members' names or number.
    """
    if fault := _fault_in_names([MANIFEST_NAME, *members]):
        raise ValueError("a bundle wants {}; found {}".format(*fault))
    files = {
        name: FileEntry(hashlib.sha256(content).hexdigest(), len(content)) for name, content in sorted(members.items())
    }
    complete = msgspec.structs.replace(of, files=files)
    ordered = {MANIFEST_NAME: manifest.encode(complete)} | dict(sorted(members.items()))
    with atomic.writer(path) as stream:
        for chunk in canonical_zip.stream(
            Member(name, len(content), zlib.crc32(content), lambda content=content: (content,))  # type: ignore[misc]
            for name, content in ordered.items()
        ):
            stream.write(chunk)
    return complete


class Bundle:
    """An open, verified bundle. Use as a context manager.

    Attributes:
        path: where it lies.
        manifest: what it says.
        sha256: of the whole file, hexadecimal.
    """

    def __init__(self, path: Path) -> None:
        """Open and verify the bundle at `path`.

        Raises:
            BundleError: it is missing, damaged, or not a bundle.
        """
        self.path = path
        try:
            self._stream: IO[bytes] = path.open("rb")
        except OSError as error:
            raise BundleError(
                Problem(str(path), "a bundle", (error.strerror or "").lower(), "check the path")
            ) from None
        try:
            self._archive = self._open_archive()
            self.manifest = self._read_manifest()
            self._check_files()
            self.sha256 = self._check_canonical()
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self, name: str) -> bytes:
        """The content of one member named in the manifest."""
        return self._archive.read(name)

    def extract(self, folder: Path) -> None:
        """Write every member below `folder`, each flushed to the disk."""
        for info in self._archive.infolist():
            target = folder / info.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic.writer(target) as stream:
                for chunk in self._chunks(info.filename):
                    stream.write(chunk)

    def _broken(self, expected: str, found: str) -> BundleError:
        return BundleError(Problem(str(self.path), expected, found, _SHIPPED_AGAIN))

    def _open_archive(self) -> zipfile.ZipFile:
        size = os.fstat(self._stream.fileno()).st_size
        if size > canonical_zip.MAX_BYTES:
            raise self._broken("a bundle of at most 4 GiB", f"{size} bytes")
        self._check_directory_size(size)
        try:
            archive = zipfile.ZipFile(self._stream)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise self._broken("a bundle (a ZIP file)", _lower(error)) from None
        infos = archive.infolist()
        if fault := _fault_in_names([info.filename for info in infos]):
            raise self._broken(*fault)
        for info in infos:
            if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
                raise self._broken("members stored without compression", f"{info.filename} compressed")
        return archive

    def _check_directory_size(self, size: int) -> None:
        """Refuse a directory that would fill the memory before zipfile reads all of it."""
        self._stream.seek(max(0, size - _ZIP64_LOCATOR_BYTES - _END.size))
        tail = self._stream.read()
        raw = tail[-_END.size :]
        # The locator would lead zipfile to another directory than the one that is measured here.
        if len(raw) < _END.size or not raw.startswith(b"PK\5\6") or tail.startswith(b"PK\6\7"):
            raise self._broken("a bundle (a ZIP file)", "another end")
        directory_bytes = _END.unpack(raw)[5]
        if directory_bytes > _MAX_DIRECTORY_BYTES:
            raise self._broken(f"at most {MAX_MEMBERS} members", f"a directory of {directory_bytes} bytes")

    def _read_manifest(self) -> Manifest:
        try:
            size = self._archive.getinfo(MANIFEST_NAME).file_size
        except KeyError:
            raise self._broken(f"a member {MANIFEST_NAME}", "none") from None
        if size > manifest.MAX_MANIFEST_BYTES:
            raise self._broken("a manifest of at most 1 MiB", f"{size} bytes")
        try:
            return manifest.decode(b"".join(self._chunks(MANIFEST_NAME)))
        except ValueError as error:
            raise self._broken("a manifest of format 1", _lower(error)) from None

    def _check_files(self) -> None:
        present = {info.filename: info.file_size for info in self._archive.infolist()}
        del present[MANIFEST_NAME]
        if present.keys() != self.manifest.files.keys():
            odd = sorted(present.keys() ^ self.manifest.files.keys())
            raise self._broken("exactly the members that the manifest names", f"a difference in {', '.join(odd)}")
        for name, entry in self.manifest.files.items():
            digest = hashlib.sha256()
            for chunk in self._chunks(name):
                digest.update(chunk)
            if digest.hexdigest() != entry.sha256 or present[name] != entry.size_bytes:
                raise self._broken(f"{name} with sha256 {entry.sha256[:12]}…", f"{digest.hexdigest()[:12]}…")
        for model in self.manifest.models:
            for name in filter(None, (model.file, model.golden)):
                if name not in self.manifest.files:
                    raise self._broken(f"the member {name} of model {model.name}", "none")

    def _check_canonical(self) -> str:
        """Hash the file while comparing it with what writing its content would give."""
        infos = {info.filename: info for info in self._archive.infolist()}
        names = [MANIFEST_NAME, *sorted(self.manifest.files)]
        members = (Member(name, infos[name].file_size, infos[name].CRC, partial(self._chunks, name)) for name in names)
        digest = hashlib.sha256()
        with self.path.open("rb") as raw:
            for expected in canonical_zip.stream(members):
                digest.update(expected)
                if raw.read(len(expected)) != expected:
                    raise self._broken("the canonical form of its content", "other bytes between the members")
            if raw.read(1):
                raise self._broken("the end of the bundle", "more bytes")
        return digest.hexdigest()

    def _chunks(self, name: str) -> Iterator[bytes]:
        try:
            with self._archive.open(name) as member:
                while chunk := member.read(_CHUNK_BYTES):
                    yield chunk
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
            raise self._broken(f"a readable member {name}", _lower(error)) from None


def _fault_in_names(names: Sequence[str]) -> tuple[str, str] | None:
    """What was expected and found, if `names` cannot all be members of one bundle."""
    if len(names) > MAX_MEMBERS:
        return f"at most {MAX_MEMBERS} members", str(len(names))
    for name in names:
        if not _MEMBER_PATTERN.match(name):
            return "plain member names", repr(name)[:80]
    # A file system may not tell case apart, and none has a file and a folder of one name.
    folded = [name.lower() for name in names]
    folders = {str(folder) for name in folded for folder in PurePosixPath(name).parents}
    if len(set(folded)) != len(folded) or not folders.isdisjoint(folded):
        return "members with distinct names", "one name twice"
    return None


def _lower(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text[0].lower() + text[1:]
