"""A file that somebody sends over HTTP becomes a raw input."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from edge_agent.flow.dataset import open_dataset
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem

_NPY = b"\x93NUMPY"
_IMAGES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"BM": ".bmp", b"RIFF": ".webp"}


def decode(body: bytes) -> Array:
    """The raw input in `body`, an image, .npy file or row of CSV.

    Its first bytes say which: what a browser or curl calls it says little.

    Raises:
        InputError: it is none of these, or damaged.
    """
    if body.startswith(_NPY):
        return _as_file(body, ".npy")
    for magic, suffix in _IMAGES.items():
        if body.startswith(magic):
            return _as_file(body, suffix)
    try:
        return np.array([float(cell) for cell in body.decode().strip().split(",")])
    except ValueError as error:
        expected, step = "an image, an .npy file or a row of numbers", "send one of these"
        raise InputError(Problem("file", expected, str(error)[:200], step)) from None


def _as_file(body: bytes, suffix: str) -> Array:
    with tempfile.NamedTemporaryFile(suffix=suffix) as stream:
        stream.write(body)
        stream.flush()
        return open_dataset(Path(stream.name))[0]
