"""Godwit's own wheel for a device, from the very files that run here, be they installed or a checkout.

Only what a device needs (the agent and what all sides share), in the form of the Binary Distribution Format 1.0
(PyPA specifications); the same content is the same bytes, so a cache can go by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from importlib import metadata
from pathlib import Path

import firmware_profiles
from firmware_profiles import canonical_zip
from firmware_profiles.canonical_zip import Member

_PACKAGES = ("edge_agent", "firmware_profiles")
NAME = f"godwit-{firmware_profiles.VERSION}-py3-none-any.whl"
_INFO = f"godwit-{firmware_profiles.VERSION}.dist-info"
_WHEEL = "Wheel-Version: 1.0\nGenerator: godwit\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_ENTRY_POINTS = "[console_scripts]\nedge-agent = edge_agent.cli:run\n"


def build() -> bytes:
    """The wheel's bytes."""
    content = dict(sorted(_package_files().items()))
    content[f"{_INFO}/METADATA"] = _described().encode()
    content[f"{_INFO}/WHEEL"] = _WHEEL.encode()
    content[f"{_INFO}/entry_points.txt"] = _ENTRY_POINTS.encode()
    rows = [f"{name},sha256={_digest(each)},{len(each)}" for name, each in content.items()]
    content[f"{_INFO}/RECORD"] = "".join(f"{row}\n" for row in [*rows, f"{_INFO}/RECORD,,"]).encode()
    return b"".join(
        canonical_zip.stream(
            Member(name, len(each), zlib.crc32(each), lambda each=each: (each,))  # type: ignore[misc]
            for name, each in content.items()
        )
    )


def _described() -> str:
    """What uv resolves by; the version is what this very code calls itself, however old its installation is."""
    lines = ["Metadata-Version: 2.1", "Name: godwit", f"Version: {firmware_profiles.VERSION}"]
    of = metadata.metadata("godwit")
    for key in ("Requires-Python", "Provides-Extra", "Requires-Dist"):
        lines += [f"{key}: {value}" for value in of.get_all(key, [])]
    return "\n".join(lines) + "\n"


def _package_files() -> dict[str, bytes]:
    home = Path(firmware_profiles.__file__).parent.parent
    found = {
        str(path.relative_to(home)): path.read_bytes()
        for package in _PACKAGES
        for path in (home / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    # In a checkout they lie where people look for them; an installed wheel has them inside already.
    units = (home / "deploy" / "systemd").glob("*") if (home / "pyproject.toml").exists() else []
    return found | {f"edge_agent/units/{path.name}": path.read_bytes() for path in units}


def _digest(content: bytes) -> str:
    """As RECORD wants it: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
