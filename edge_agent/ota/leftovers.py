"""What a power cut between two calls leaves for ever: nothing would look for it, and it would become more and more."""

from __future__ import annotations

import shutil

from edge_agent.layout import Root
from firmware_profiles import atomic


def remove(root: Root) -> None:
    """Remove it. The updater alone makes such files, and there is one at a time; `.a.tmp` may be of a flash at work.

    Raises:
        OSError: the disk refused.
    """
    left = [*root.agent_code.glob(".?.old"), *root.update.glob(".*.tmp"), *root.trust.glob(".*.tmp")]
    for path in left:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    for folder in {path.parent for path in left}:
        atomic.sync_folder(folder)
