"""A device as a host of the evaluator: the same `edge-agent` commands, over SSH."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from converter.device.link import Link, LostError
from converter.device.url import DeviceUrl
from converter.processes import Finished, Processes
from firmware_profiles.errors import Problem, UnavailableError

LIMIT_S = 300.0
"""Of one command there."""

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


class GoneError(UnavailableError):
    """The device cannot be used any more, whatever the command."""


class Device:
    """Runs `edge-agent` on a device; its arguments that are files here are copied there, once.

    A link that breaks is opened once more and the command begun again.

    Attributes:
        name: of the host.
        limit_s: of one command.
    """

    def __init__(self, url: DeviceUrl, link: Link, say: Callable[[str], None]) -> None:
        self.name = url.at.host
        self.limit_s = LIMIT_S
        self._agent = url.agent
        self._link = link
        self._say = say
        self._sent: dict[tuple[Path, int], str] = {}

    def run(self, command: str, arguments: Sequence[object]) -> Finished:
        """See `hosts.Host`.

        Raises:
            GoneError: the link broke twice, or there is no agent.
        """
        try:
            finished = self._once(command, arguments)
        except LostError as error:
            self._say(f"the link to {self.name} broke ({error}): connecting again")
            finished = self._again(command, arguments)
        if finished.exit_code in (_NOT_FOUND, _NOT_EXECUTABLE):
            step = f"install Godwit's agent there, or say where it is: ssh://{self.name}?agent=/path/to/edge-agent"
            raise GoneError(Problem(self.name, f"the program {self._agent}", "none", step))
        return finished

    def _again(self, command: str, arguments: Sequence[object]) -> Finished:
        self._link.close()
        self._sent.clear()
        try:
            self._link.open()
            return self._once(command, arguments)
        except UnavailableError as error:
            raise GoneError(*error.problems) from None
        except LostError as error:
            step = "check the network and the device's power; what was found out here is remembered"
            raise GoneError(Problem(self.name, "a link that holds", f"one that broke ({error})", step)) from None

    def _once(self, command: str, arguments: Sequence[object]) -> Finished:
        plain = [self._there(each) if isinstance(each, Path) else str(each) for each in arguments]
        return self._link.run([self._agent, command, *plain, "--json"], LIMIT_S)

    def _there(self, file: Path) -> str:
        key = (file, file.stat().st_mtime_ns)
        if key not in self._sent:
            name = f"{len(self._sent)}{file.suffix}"
            self._link.send(file, name)
            self._sent[key] = name
        return self._sent[key]


@contextmanager
def connected(url: DeviceUrl, processes: Processes, folder: Path, say: Callable[[str], None]) -> Iterator[Device]:
    """The device, connected for the time of the block.

    Raises:
        UnavailableError: see `Link.open`.
    """
    link = Link(url, processes, folder)
    link.open()
    try:
        yield Device(url, link, say)
    finally:
        link.close()
