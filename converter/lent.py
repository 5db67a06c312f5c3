"""Our own code, lent to the Python of a toolchain."""

from __future__ import annotations

import contextlib
from pathlib import Path

from converter.tools import OURS

_ROOT = Path(__file__).parent.parent


def variables(folder: Path) -> dict[str, str]:
    """The environment that lends it: `folder` gets our packages and none of their neighbours.

    A toolchain has the neighbours in other versions.
    """
    lent = folder / "lent"
    lent.mkdir(exist_ok=True)
    for package in OURS:
        with contextlib.suppress(FileExistsError):
            (lent / package).symlink_to(_ROOT / package)
    return {"PYTHONPATH": str(lent)}
