"""Take a trained model to a device at the edge and keep it flying there.

The public API, each name imported when it is first used:

- `Bundle`: open and verify a bundle.
- `load_profile`: a device profile, by name or path.
- `GodwitError`: the base of every error that Godwit raises on purpose.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firmware_profiles.bundle import Bundle
    from firmware_profiles.errors import GodwitError
    from firmware_profiles.profile import load as load_profile

__version__: str

__all__ = ["Bundle", "GodwitError", "__version__", "load_profile"]

_HOMES = {
    "__version__": ("firmware_profiles", "VERSION"),
    "Bundle": ("firmware_profiles.bundle", "Bundle"),
    "GodwitError": ("firmware_profiles.errors", "GodwitError"),
    "load_profile": ("firmware_profiles.profile", "load"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'godwit' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
