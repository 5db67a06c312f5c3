"""Image files as arrays. Pillow is imported on first use: a deployment of tensors does without it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
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
    """The image in a file; see `decode`."""
    try:
        with path.open("rb") as stream:
            body = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise InputError(Problem(str(path), "a readable image", found, "check the path")) from None
    return decode(body, str(path))


def decode(body: bytes, where: str) -> Array:
    """The image in `body`, as uint8 [height, width, 3] (RGB) or [height, width] (gray).

    Raises:
        InputError: it is no whole PNG, JPEG, BMP or WebP, larger than 64 MiB, or has more than 64 million pixels.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if len(body) > MAX_FILE_BYTES:
            raise InputError(Problem(where, "an image of at most 64 MiB", "a larger file", "make it smaller"))
        # Only these: Pillow hands some of its formats to other programs.
        with Image.open(io.BytesIO(body), formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                found = f"{image.width} × {image.height}"
                raise InputError(Problem(where, "at most 64 million pixels", found, "make it smaller"))
            gray = image.mode in ("L", "1", "I;16")
            return np.asarray(image.convert("L" if gray else "RGB"))
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        unknown = isinstance(error, UnidentifiedImageError)  # its text names an object in memory
        found = "no PNG, JPEG, BMP or WebP" if unknown else " ".join(str(error).split())[:200]
        raise InputError(Problem(where, "a whole image", found, "write it again")) from None
