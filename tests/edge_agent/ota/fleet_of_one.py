"""One device and the repository that it is served from, for the tests of updates."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np

from tests.edge_agent.ota.signed import Repository
from tests.edge_agent.support import NULL, Device, agent, images, model, write_bundle

UNREACHABLE = "mqtt://127.0.0.1:9"


def version(folder: Path, number: str, **changes: Any) -> Path:
    """A bundle without a real model, of that version."""
    of = model(file="models/null.json", format="null", runtimes=list(NULL), **changes.pop("model", {}))
    return write_bundle(folder / f"{number}.godwit", of, b'{"outputs": [[1, 3]]}', version=number, **changes)


class Updated(Device):
    """A device that runs version 1 and trusts `repository`, which has nothing else yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = Repository(folder / "repository")
        self.root = folder / "device"
        self.repository.add(version(folder, "1"))
        flags = ("--device-id", "d1", "--broker", UNREACHABLE, "--trust-root", self.repository.root)
        agent("install", self.repository.folder, "--root", self.root, *flags, check=True)
        self.configure('[http]\nlisten = ""')

    def says(self, command: str, *flags: str | Path) -> CompletedProcess[str]:
        """What a command of the updater answers."""
        return agent(command, *flags, "--root", self.root)

    def install(self) -> CompletedProcess[str]:
        """Bring the repository as a kit."""
        return self.says("install", self.repository.folder)

    def history(self) -> Any:
        """What `history --json` tells."""
        return json.loads(self.says("history", "--json").stdout)

    def active(self) -> str:
        """Version in the active slot."""
        found: str = json.loads((self.root / "slots" / "active" / "manifest.json").read_bytes())["version"]
        return found

    def answers_forever(self) -> None:
        """Give it a source that does not end soon."""
        np.savez(self.folder / "inputs.npz", x=np.resize(images(10), (100_000, 6, 6)))
        self.replay(self.folder / "inputs.npz", rate=50)


@contextmanager
def served(folder: Path, most_bytes: int = 1 << 30) -> Iterator[str]:
    """The URL of a folder, for the time of the block; of targets, the connection breaks off after `most_bytes`."""
    handler = partial(_Server, most_bytes, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Server(SimpleHTTPRequestHandler):
    def __init__(self, most_bytes: int, *arguments: Any, **options: Any) -> None:
        self._most_bytes = most_bytes
        super().__init__(*arguments, **options)

    def copyfile(self, source: Any, outputfile: Any) -> None:
        outputfile.write(source.read(self._most_bytes if self.path.startswith("/targets/") else -1))

    def log_message(self, *_: object) -> None:
        pass
