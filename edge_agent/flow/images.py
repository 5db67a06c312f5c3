"""Image files as arrays. Pillow is imported on first use: a deployment of tensors does without it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
MAX_PIXELS = 64_000_000
MAX_FILE_BYTES = 64 << 20


def files_in(folder: Path) -> list[Path]:
    """The images right in `folder`, by name; hidden files are somebody's work in progress."""
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.suffix.lower() in SUFFIXES and not entry.name.startswith(".") and entry.is_file()
    )


def read(path: Path) -> Array:
    """The image as uint8 [height, width, 3] (RGB) or [height, width] (gray).

    Raises:
        InputError: it cannot be read, or has more than 64 million pixels.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(Problem(str(path), "an image of at most 64 MiB", "a larger file", "make it smaller"))
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            if image.width * image.height > MAX_PIXELS:
                found = f"{image.width} × {image.height}"
                raise InputError(Problem(str(path), "at most 64 million pixels", found, "make it smaller"))
            gray = image.mode in ("L", "1", "I;16")
            return np.asarray(image.convert("L" if gray else "RGB"))
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        found = " ".join(str(error).split())[:200]
        raise InputError(Problem(str(path), "a whole image", found, "write it again")) from None
