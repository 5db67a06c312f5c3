"""Arrays written to disk."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edge_agent.runtimes.base import Array
from firmware_profiles import atomic
from firmware_profiles.errors import Problem, UnavailableError


def write_npz(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write `arrays` to `path` (.npz), all or nothing.

    Raises:
        UnavailableError: the disk refuses.
    """
    try:
        # numpy.savez leaves its archive open when the disk refuses, which complains on stderr later.
        with atomic.writer(path) as stream, zipfile.ZipFile(stream, "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)  # type: ignore[no-untyped-call]
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise UnavailableError(Problem(str(path), "room to write", found, "free some, or write elsewhere")) from None
