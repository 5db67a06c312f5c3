"""A real external TFLite delegate, compiled here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def reshaper(folder: Path) -> str:
    """`reshaper.c` as a shared library in `folder`."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler, so external delegates are not exercised")
    path, source = folder / "libreshaper.so", Path(__file__).parent / "reshaper.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(path), str(source)], check=True)
    return str(path)
