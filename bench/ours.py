"""Our own search, from outside: `godwit convert` as a user calls it, twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench.models import ROOT
from bench.say import say
from converter import cache
from firmware_profiles.bundle import Bundle

_LIMIT_S = 600.0


class Search(NamedTuple):
    """One conversion by us.

    Attributes:
        recipe: of the winner; empty where there is none, and `problem` says why.
        file: the winner's model file; None where there is none.
        first_s, again_s: wall clock of the whole command, with nothing remembered, and with all of it.
    """

    recipe: str
    problem: str
    file: Path | None
    first_s: float
    again_s: float


def empty_cache(folder: Path) -> None:
    """A cache that remembers nothing yet, with the user's own toolchains: those take minutes to make."""
    real = cache.default_folder().parent / "toolchains"
    real.mkdir(parents=True, exist_ok=True)
    (folder / "godwit").mkdir(parents=True)
    (folder / "godwit" / "toolchains").symlink_to(real)


def search(project: Path, cache_home: Path, title: str) -> Search:
    """Convert `project` twice."""
    say(f"{title}: godwit convert")
    first_s, _ = _convert(project, cache_home)
    say(f"{title}: godwit convert, again")
    again_s, problem = _convert(project, cache_home)
    report = project.parent / "out" / "report.json"
    if not report.is_file():
        return Search("", problem, None, first_s, again_s)
    profile = json.loads(report.read_bytes())["profiles"][0]
    if not profile["bundle"]:
        return Search("", profile["problem"], None, first_s, again_s)
    with Bundle(Path(profile["bundle"])) as bundle:
        name = bundle.manifest.models[0].file
        file = project.parent / f"godwit {Path(name).name}"
        file.write_bytes(bundle.read(name))
    return Search(profile["chosen"], "", file, first_s, again_s)


def _convert(project: Path, cache_home: Path) -> tuple[float, str]:
    """Seconds, and the last line that was told."""
    line = [sys.executable, "-m", "godwit", "convert", str(project), "--out", str(project.parent / "out")]
    began_s = time.monotonic()
    done = subprocess.run(
        line,
        cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": str(cache_home)},
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    return time.monotonic() - began_s, (done.stderr.strip().splitlines() or ["no word"])[-1]
