"""What of `fleet/bootstrap` goes to a device, and how: as a script, or as one zipapp."""

from __future__ import annotations

import zlib
from pathlib import Path

from firmware_profiles import canonical_zip
from firmware_profiles.canonical_zip import Member
from fleet import bootstrap

ZIPAPP = "godwit-bootstrap.pyz"
_MAIN = """\
import sys
from pathlib import Path

from fleet.bootstrap import from_stick, install

here, words = Path(sys.argv[0]).absolute().parent, sys.argv[1:]
sys.exit(from_stick.main(here, words) if (here / from_stick.KIT).is_dir() else install.main(Path(words[0])))
"""


def script(name: str) -> str:
    """The source of one of its modules, which is whole by itself."""
    return (_home() / f"{name}.py").read_text(encoding="utf-8")


def zipapp() -> bytes:
    """The whole package; the same source is the same bytes."""
    content = {"__main__.py": _MAIN.encode(), "fleet/__init__.py": b""}
    content |= {f"fleet/bootstrap/{path.name}": path.read_bytes() for path in sorted(_home().glob("*.py"))}
    return b"".join(
        canonical_zip.stream(
            Member(name, len(each), zlib.crc32(each), lambda each=each: (each,))  # type: ignore[misc]
            for name, each in content.items()
        )
    )


def _home() -> Path:
    assert bootstrap.__file__ is not None
    return Path(bootstrap.__file__).parent
