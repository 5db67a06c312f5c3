"""Coverage-guided fuzzing of what a bundle can claim: `python -m tests.fuzz.manifest -max_total_time=60`.

The bytes are a manifest alone, or a whole bundle in a file. Whatever comes in is a manifest that is written
again byte for byte, or one error of the documented kind.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["firmware_profiles"]):
    from firmware_profiles import links, manifest
    from firmware_profiles.bundle import Bundle
    from firmware_profiles.errors import BundleError

_FOLDER = tempfile.TemporaryDirectory(prefix="godwit-fuzz-")


def fuzz(data: bytes) -> None:
    """One case."""
    if data[:1] == b"P":
        _bundle(data)
        return
    try:
        found = manifest.decode(data)
    except ValueError:
        return
    assert manifest.decode(manifest.encode(found)) == found
    list(links.problems({model.name: model for model in found.models}, found.links, "fuzz"))


def _bundle(data: bytes) -> None:
    path = Path(_FOLDER.name) / "b.godwit"
    path.write_bytes(data)
    with contextlib.suppress(BundleError), Bundle(path) as bundle:
        for name in bundle.manifest.files:
            bundle.read(name)


if __name__ == "__main__":
    atheris.Setup(sys.argv, fuzz)
    atheris.Fuzz()
