"""A phone that adb reaches: its shell is a real toybox, its files lie in a folder, and it can fail on request.

`serve` speaks what follows after a service was opened: shell_protocol.h and SYNC of AOSP's packages/modules/adb. Who
opens it is `adb_host` (a server) or `adbd` (a device behind the real server).
"""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path
from typing import Protocol

import pytest

from firmware_profiles.errors import UnavailableError
from tools import unpacked

TOOLS = ("cat", "chmod", "echo", "find", "ls", "mkdir", "mv", "rm", "sha256sum", "stat", "sync", "true")
PLACES = ("/data/local/tmp", "/sdcard")
_FRAME = struct.Struct("<4sI")


class GoneError(Exception):
    """The cable was pulled, or the other side hung up."""


class Stream(Protocol):
    """An open service."""

    def read(self, size: int) -> bytes:
        """Exactly that much; GoneError at the end."""

    def write(self, content: bytes) -> None:
        """All of it."""


class Phone:
    """One device.

    Attributes:
        serial: what adb calls it.
        state: what the server says of it: "device" can be used.
        files: where its storage lies on this machine.
        room_bytes: how much more it takes by sync.
        worn: its storage keeps other bytes than it was given.
        cable_bytes: after how many more the cable is pulled.
        properties: what getprop tells.
    """

    def __init__(self, folder: Path, serial: str = "R58M42ABCD") -> None:
        self.serial = serial
        self.state = "device"
        self.files = folder / serial
        self.room_bytes = 1 << 40
        self.cable_bytes = 1 << 40
        self.worn = False
        self.sent: list[str] = []
        self.properties = {
            "ro.product.cpu.abi": "arm64-v8a", "ro.product.model": "Pixel 8", "ro.build.version.release": "14",
        }  # fmt: skip
        self._tools = folder / f"{serial}.bin"
        for place in PLACES:
            (self.files / place[1:]).mkdir(parents=True)
        self._link_tools()

    def place(self, path: str) -> Path:
        """Where a file of the phone lies here."""
        return self.files / path[1:]

    def serve(self, service: str, stream: Stream) -> None:
        """Do what a service does, to its end."""
        if service.startswith("shell,v2,raw:"):
            self._shell(service.partition(":")[2], stream)
        elif service == "sync:":
            self._sync(stream)
        else:
            raise AssertionError(f"a service that no flash needs: {service}")

    def _link_tools(self) -> None:
        try:
            toybox = Path(unpacked.command("toybox")[-1])
        except UnavailableError as error:
            pytest.skip(str(error))
        self._tools.mkdir()
        for name in TOOLS:
            (self._tools / name).symlink_to(toybox)

    def _shell(self, command: str, stream: Stream) -> None:
        (self._tools / "getprop").write_text(
            "#!/bin/sh\ncase $1 in\n"
            + "".join(f"{key}) echo '{self.properties[key]}';;\n" for key in self.properties)
            + "esac\n"
        )
        (self._tools / "getprop").chmod(0o755)
        for place in PLACES:
            command = command.replace(place, str(self.files / place[1:]))
        environment = {"PATH": str(self._tools), "LC_ALL": "C"}
        ran = subprocess.run(["/bin/sh", "-c", command], capture_output=True, env=environment, check=False)
        for kind, content in ((1, ran.stdout), (2, ran.stderr), (3, bytes([ran.returncode]))):
            if content:
                stream.write(struct.pack("<BI", kind, len(content)) + content)

    def _sync(self, stream: Stream) -> None:
        while True:
            kind, size = _FRAME.unpack(stream.read(_FRAME.size))
            if kind == b"QUIT":
                return
            assert kind == b"SEND", kind
            path, _, mode = stream.read(size).decode().rpartition(",")
            self._receive(path, int(mode), stream)

    def _receive(self, path: str, mode: int, stream: Stream) -> None:
        """adbd writes to the place itself, and makes the folders above it; after an error it reads on to the end."""
        place = self.place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        self.sent.append(path)
        error = ""
        with place.open("wb") as out:
            while True:
                kind, size = _FRAME.unpack(stream.read(_FRAME.size))
                if kind == b"DONE":
                    break
                assert kind == b"DATA", kind
                assert size <= 64 << 10
                content = stream.read(size)
                self.cable_bytes -= size
                if self.cable_bytes < 0:
                    out.flush()
                    raise GoneError
                self.room_bytes -= size
                if self.room_bytes < 0:
                    error = "couldn't write: No space left on device"
                else:
                    out.write(bytes(each ^ 1 for each in content) if self.worn else content)
        if error:
            place.unlink()
            stream.write(_FRAME.pack(b"FAIL", len(error)) + error.encode())
            return
        os.chmod(place, mode & 0o777)
        stream.write(_FRAME.pack(b"OKAY", 0))
