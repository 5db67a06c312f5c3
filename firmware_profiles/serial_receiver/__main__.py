"""Take files over the console that started this, into a folder: `python3 receiver.pyz FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from firmware_profiles.errors import guarded
from firmware_profiles.serial_receiver import serving
from firmware_profiles.serial_receiver.staging import Staging


def main() -> int:
    """Nothing is installed: whoever started this does that."""
    store = Staging(Path(sys.argv[1]), lambda files, contents: ["true"])
    return guarded(lambda: serving.serve_console(store, lambda: b"{}"))


if __name__ == "__main__":
    sys.exit(main())
