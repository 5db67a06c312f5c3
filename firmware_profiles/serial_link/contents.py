"""The list of contents: which files a transfer brings, and what the installation is told.

```json
{"format": 1, "files": [{"path": "kit/metadata/1.root.json", "size_bytes": 2391, "sha256": "…"}],
 "device_id": "door-7", "broker": "mqtt://broker.lan", "profile": "raspberry-pi-5"}
```
Files of the kit lie below `kit/`; `root.json` beside it is the trust root, if one is brought. A transfer of
`identity/ca.pem` alone asks the device for the request of a certificate, one with `identity/device.pem` brings it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from firmware_profiles.errors import InputError, Problem
from firmware_profiles.serial_link.chunks import Chunks
from firmware_profiles.serial_link.messages import MOST_IN_STREAM

KIT = "kit"
TRUST_ROOT = "root.json"
IDENTITY = "identity"
CERTIFICATE, CA = f"{IDENTITY}/device.pem", f"{IDENTITY}/ca.pem"
MOST_BYTES = 1 << 20
"""Of the list itself."""
MOST_FILES = 4096
_FORMAT = 1
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@=-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9._+@=-]{0,127}){0,7}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TOLD = ("device_id", "broker", "profile")
_TEXT = re.compile(r"[!-~]{1,1000}")
_STEP = "make the kit again"


class File(NamedTuple):
    """One file of the transfer."""

    path: str
    size_bytes: int
    sha256: str


class Contents(NamedTuple):
    """All of them, and what `edge-agent install` is told besides; None where it is not."""

    files: tuple[File, ...]
    device_id: str | None = None
    broker: str | None = None
    profile: str | None = None

    def told(self) -> dict[str, str]:
        """What is told, by its name."""
        every = {name: getattr(self, name) for name in _TOLD}
        return {name: value for name, value in every.items() if value is not None}

    def encode(self) -> bytes:
        """As it travels."""
        document = {"format": _FORMAT, "files": [file._asdict() for file in self.files], **self.told()}
        return json.dumps(document, separators=(",", ":")).encode()

    def chunks(self) -> Chunks:
        """How its files are numbered."""
        return Chunks([file.size_bytes for file in self.files])


class Cargo(NamedTuple):
    """A transfer as it lies on the host: `paths` are those of `contents.files`."""

    contents: Contents
    paths: list[Path]


def gather(kit: Path, trust_root: Path | None, **told: str) -> Cargo:
    """The folder `kit`, to be brought.

    Args:
        told: what the installation is told, as in `Contents`.

    Raises:
        InputError: a file cannot be read, or cannot travel.
    """
    named = [(f"{KIT}/{path.relative_to(kit).as_posix()}", path) for path in sorted(kit.rglob("*")) if path.is_file()]
    if trust_root is not None:
        named.append((TRUST_ROOT, trust_root))
    return _cargo(named, told)


def gather_identity(ca: Path, certificate: Path | None) -> Cargo:
    """An authority, and what it signed for the device; without that, the device is to ask.

    Raises:
        InputError: a file cannot be read.
    """
    return _cargo([(CA, ca), *([(CERTIFICATE, certificate)] if certificate else [])], {})


def _cargo(named: list[tuple[str, Path]], told: dict[str, str]) -> Cargo:
    try:
        files = tuple(File(name, path.stat().st_size, sha256_of(path)) for name, path in named)
    except OSError as error:
        raise InputError(Problem(str(error.filename), "a file to read", str(error.strerror), _STEP)) from None
    contents = decode(Contents(files, **told).encode())  # what the device would refuse is refused here
    return Cargo(contents, [path for _, path in named])


def sha256_of(path: Path) -> str:
    """In hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def decode(raw: bytes) -> Contents:
    """The list of contents that `encode` gave, or a hostile one.

    Raises:
        InputError: everything that is wrong.
    """
    try:
        document = json.loads(raw) if len(raw) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise InputError(Problem("contents", f"a list of contents of format {_FORMAT}", "something else", _STEP))
    entries = document.get("files")
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_FILES:
        raise InputError(Problem("contents", f"1 to {MOST_FILES} files", "another number", _STEP))
    files = [_file(entry) for entry in entries]
    problems = [Problem("contents", "path, size and hash of a file", "other fields", _STEP)] * (None in files)
    good = tuple(file for file in files if file is not None)
    problems += _clashes(good)
    told = {name: document[name] for name in _TOLD if name in document}
    for name, value in told.items():
        if not (isinstance(value, str) and _TEXT.fullmatch(value)):
            problems.append(Problem(f"contents: {name}", "printable text", "something else", "correct it"))
    if problems:
        raise InputError(*problems)
    return Contents(good, **told)


def _file(entry: Any) -> File | None:
    try:
        path, size, digest = entry["path"], entry["size_bytes"], entry["sha256"]
        good = _PATH.fullmatch(path) and _SHA256.fullmatch(digest) and type(size) is int and size >= 0
    except (TypeError, KeyError):
        return None
    known = good and (path in (TRUST_ROOT, CERTIFICATE, CA) or path.startswith(f"{KIT}/"))
    return File(path, size, digest) if known else None


def _clashes(files: Iterable[File]) -> list[Problem]:
    paths = [file.path for file in files]
    folders = {path[:at] for path in paths for at, letter in enumerate(path) if letter == "/"}
    problems = []
    if len(set(paths)) < len(paths) or folders & set(paths):
        problems.append(Problem("contents", "each path once", "one that is there twice", _STEP))
    if Chunks([file.size_bytes for file in files]).count > MOST_IN_STREAM:
        problems.append(Problem("contents", "4 GiB at most", "more", _STEP))
    return problems
