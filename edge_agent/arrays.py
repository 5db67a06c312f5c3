"""Arrays written to disk."""

from __future__ import annotations

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
        with atomic.writer(path) as stream:
            np.savez(stream, **arrays)
    except (OSError, ValueError) as error:  # zipfile trips over its own end after the disk refused: a ValueError
        refused = error if isinstance(error, OSError) else error.__context__
        if not isinstance(refused, OSError):
            raise
        found = (refused.strerror or str(refused)).lower()
        raise UnavailableError(Problem(str(path), "room to write", found, "free some, or write elsewhere")) from None
