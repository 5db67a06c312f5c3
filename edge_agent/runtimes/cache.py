"""The folder in which runtimes keep what they made of a model: one folder a model, named by its content."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection
from pathlib import Path

_NAME_DIGITS = 16


def of_model(cache: Path, sha256: str) -> Path:
    """Where things of the model file with that hash are kept; another content never meets them."""
    return cache / sha256[:_NAME_DIGITS]


def forget(folder: Path) -> bool:
    """Remove what is kept of one model; whether there was anything."""
    kept = folder.is_dir()
    shutil.rmtree(folder, ignore_errors=True)
    return kept


def keep_only(cache: Path, sha256s: Collection[str]) -> None:
    """Remove what is kept of any other model. A process that has a file mapped goes on with it."""
    wanted = {of_model(cache, sha256) for sha256 in sha256s}
    with contextlib.suppress(FileNotFoundError):
        for folder in cache.iterdir():
            if folder not in wanted:
                shutil.rmtree(folder, ignore_errors=True)
