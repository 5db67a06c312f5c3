"""An unpacked, verified deployment: a folder with the members of one bundle. No numpy here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from firmware_profiles import manifest as manifests
from firmware_profiles.errors import BundleError, Problem
from firmware_profiles.manifest import MANIFEST_NAME, Manifest, Model


class Deployment(NamedTuple):
    """A deployment in `folder`.

    Attributes:
        sha256: of the bundle it came from; empty where it was read from a slot.
        manifest_sha256: of the bytes of its manifest, where it was read from a slot: they name every member's hash.
    """

    folder: Path
    manifest: Manifest
    sha256: str = ""
    manifest_sha256: str = ""

    def model_file(self, model: Model) -> Path:
        """Where the model's file lies."""
        return self.folder / model.file

    def verify(self) -> None:
        """Compare every member with its hash.

        Raises:
            BundleError: a member is missing or was changed after it was installed.
        """
        for name, entry in self.manifest.files.items():
            path = self.folder / name
            if not path.is_file() or path.stat().st_size != entry.size_bytes or sha256_of(path) != entry.sha256:
                found = "changed bytes" if path.exists() else "no such file"
                raise BundleError(Problem(str(path), f"sha256 {entry.sha256[:12]}…", found, "install the bundle again"))


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def read_slot(folder: Path) -> Deployment:
    """The deployment in a slot, not yet verified.

    Raises:
        BundleError: there is none, or its manifest cannot be read.
    """
    folder = folder.resolve()  # first: a link may lead elsewhere at any time
    path = folder / MANIFEST_NAME
    try:
        raw = path.read_bytes()
        return Deployment(folder, manifests.decode(raw), manifest_sha256=hashlib.sha256(raw).hexdigest())
    except OSError as error:
        found = (error.strerror or "").lower()
        raise BundleError(Problem(str(path), "an installed bundle", found, "run edge-agent install")) from None
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise BundleError(Problem(str(path), "a manifest of format 1", str(error), "install again")) from None


@contextmanager
def unpacked(path: Path) -> Iterator[Deployment]:
    """The bundle at `path`, verified and unpacked into a temporary folder for the time of the block.

    Raises:
        BundleError: it is missing, damaged, or not a bundle.
    """
    # Late: whoever reads a slot only is smaller without.
    import tempfile

    from firmware_profiles.bundle import Bundle

    with Bundle(path) as bundle, tempfile.TemporaryDirectory(prefix="godwit-") as folder:
        bundle.extract(Path(folder))
        yield Deployment(Path(folder), bundle.manifest, bundle.sha256)
