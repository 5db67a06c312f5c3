"""Where a bundle is flashed to, as typed: `dir:///path`."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from firmware_profiles.errors import InputError, Problem

_EXPECTED = "dir:///ABSOLUTE/PATH"


def parse(texts: tuple[str, ...]) -> list[Path]:
    """The device roots that `texts` name.

    Raises:
        InputError: everything that is wrong in any of them.
    """
    problems = [problem for text in texts if (problem := _problem(text))]
    if problems:
        raise InputError(*problems)
    return [Path(unquote(urlsplit(text).path)) for text in texts]


def _problem(text: str) -> Problem | None:
    try:
        parts = urlsplit(text)
    except ValueError as error:
        return Problem(text, _EXPECTED, str(error), "correct the target")
    if parts.scheme in ("ssh", "serial", "image", "adb"):
        step = "copy the bundle there and type: edge-agent install"
        return Problem(text, _EXPECTED, f"{parts.scheme}://, which is not there yet", step)
    if parts.scheme != "dir":
        return Problem(text, _EXPECTED, "another form", "put dir:// before an absolute path")
    if parts.netloc or not parts.path.startswith("/"):
        return Problem(text, _EXPECTED, "a relative path", "write three slashes: dir:///path")
    return None
