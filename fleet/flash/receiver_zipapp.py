"""The receiver for a device that has none: a zipapp of our own shared code, the standard library alone."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import firmware_profiles

NAME = "godwit-receiver.pyz"
_PATTERNS = ("__init__.py", "atomic.py", "errors.py", "serial_link/*.py", "serial_receiver/*.py")
_MAIN = b"import sys\nfrom firmware_profiles.serial_receiver.__main__ import main\n\nsys.exit(main())\n"


def zipapp() -> bytes:
    """`python3 godwit-receiver.pyz FOLDER`, compressed, since it goes over a console."""
    assert firmware_profiles.__file__ is not None
    home = Path(firmware_profiles.__file__).parent
    paths = sorted(path for pattern in _PATTERNS for path in home.glob(pattern))
    content = {"__main__.py": _MAIN}
    content |= {f"firmware_profiles/{path.relative_to(home).as_posix()}": path.read_bytes() for path in paths}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, each in content.items():
            archive.writestr(zipfile.ZipInfo(name), each, zipfile.ZIP_DEFLATED, 9)
    return written.getvalue()
