"""What one declared bound means for the parts of a spool: everything that it has on the disk counts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from firmware_profiles.wire import MAX_MESSAGE_BYTES

PAGE_BYTES = 4096
_FRAME_BYTES = PAGE_BYTES + 24
_SHM_BYTES = 32_768
"""Of the index of a write-ahead log of up to 4,000 pages; ours stay below that."""
_MOST_LOG_PAGES = 1000


_GROUP_BYTES = 262_144


class Bounds(NamedTuple):
    """Parts of the whole.

    Attributes:
        message_bytes: of a payload; a larger one is dropped.
        group_bytes: of payloads, after which they are committed.
        log_pages: of the write-ahead log, after which it is written back.
        log_bytes: what the write-ahead log takes.
        commit_pages: by which a commit can make the database larger.
        growth_pages: by which it may still grow on a full disk.
        pages: of the database, beyond which messages are dropped after a commit's own were added.
    """

    message_bytes: int
    group_bytes: int
    log_pages: int
    log_bytes: int
    commit_pages: int
    growth_pages: int
    pages: int

    @property
    def reserve_bytes(self) -> int:
        """What a full disk must still have for us: for pages that only the log has yet, and for more messages."""
        return (self.log_pages + self.commit_pages + self.growth_pages) * PAGE_BYTES


def bounds(max_bytes: int, folder: Path) -> Bounds:
    """How to divide `max_bytes`, or the whole disk of `folder` if that is smaller."""
    disk = os.statvfs(folder)
    whole = min(max_bytes, disk.f_blocks * disk.f_frsize)
    message_bytes = min(whole // 50, MAX_MESSAGE_BYTES)
    group_bytes = min(whole // 50, _GROUP_BYTES)
    log_pages = min(whole // 20 // _FRAME_BYTES, _MOST_LOG_PAGES)
    commit_pages = 2 * (group_bytes + message_bytes) // PAGE_BYTES  # a row of half a page may take a whole one
    # A commit that has to drop deletes about as much as it adds.
    log_bytes = (log_pages + 2 * commit_pages) * _FRAME_BYTES + 2 * group_bytes
    growth_pages = commit_pages + whole // 32 // PAGE_BYTES
    parts = Bounds(message_bytes, group_bytes, log_pages, log_bytes, commit_pages, growth_pages, 0)
    pages = (whole - log_bytes - parts.reserve_bytes - _SHM_BYTES) // PAGE_BYTES - commit_pages
    return parts._replace(pages=pages)
