"""The end of a transfer: every hash is checked, then a process installs; both beside the line, which goes on."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.serial_link import contents
from firmware_profiles.serial_link.said import Said

_LIMIT_S = 3600.0


class Installing:
    """Begins at once."""

    def __init__(self, files: Sequence[tuple[Path, str]], command: list[str]) -> None:
        """
        Args:
            files: path and SHA-256 of each.
            command: what installs them, without a shell.
        """
        self._files = files
        self._command = command
        self._state: str | Said | list[int] = "checking"
        threading.Thread(target=self._work, name="installing", daemon=True).start()

    def state(self) -> str | Said | list[int]:
        """What is being done, or how it ended, or which files are not what they should be."""
        return self._state

    def _work(self) -> None:
        try:
            wrong = [at for at, (path, sha256) in enumerate(self._files) if contents.sha256_of(path) != sha256]
            if wrong:
                self._state = wrong
                return
            self._state = "installing"
            ended = subprocess.run(
                self._command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT_S, check=False
            )
        except (OSError, subprocess.SubprocessError) as error:
            problem = Problem(self._command[0], "an installation", str(error), "look at the device's journal")
            self._state = Said(UnavailableError.exit_code, "", f"error: {problem}\n")
            return
        stdout, stderr = (text.decode("utf-8", "replace") for text in (ended.stdout, ended.stderr))
        self._state = Said(ended.returncode, stdout, stderr)
