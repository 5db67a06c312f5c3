"""One deployment with the worker that runs it, for as long as that worker lives."""

from __future__ import annotations

from typing import Protocol

from edge_agent.asked import Answered, Requests
from edge_agent.channel import Finish, FromWorker, Open, Request, Start, ToWorker
from edge_agent.child import Child
from edge_agent.deployment import Deployment
from edge_agent.inference import InferRequest
from edge_agent.monitor import machine
from edge_agent.spawning import Spawned
from firmware_profiles.wire import RuntimeInUse


class Owner(Protocol):
    """Who looks after a worker."""

    def said(self, hosted: Hosted, message: FromWorker) -> None:
        """It said something."""
        ...

    def died(self, hosted: Hosted, code: int) -> None:
        """It ended, with the return code `code`."""
        ...


class Hosted:
    """A worker at work.

    Attributes:
        deployment: what it runs.
        owner: hears what becomes of it.
        in_use: what runs each model; empty until all are proved.
        opened: its sources are open.
        requests: what it was asked.
    """

    def __init__(self, deployment: Deployment, start: Start, spawned: Spawned, owner: Owner) -> None:
        self.deployment = deployment
        self.owner = owner
        self.in_use: dict[str, RuntimeInUse] = {}
        self.opened = False
        self.requests = Requests()
        self._child = Child(spawned, start, self._said, self._died)
        self.started_s = self._child.started_s
        self.doing = self._child.doing

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._child.pid

    def ask(self, request: InferRequest, answered: Answered) -> None:
        """Have `request` answered; `answered` is called once."""
        self._child.send(Request(self.requests.add(answered), request))

    def send(self, message: ToWorker) -> None:
        """Tell it something."""
        self._child.send(message)

    def open(self, at: Open) -> None:
        """Let it open its sources."""
        self.opened = True
        self._child.send(at)

    def finish(self, owner: Owner) -> None:
        """Let it answer what it has read and let go of its sources; `owner` hears when that is done."""
        self.owner, self.opened = owner, False
        self._child.send(Finish())

    def exceeds(self, limit_mb: float) -> bool:
        """Whether it holds more memory than that."""
        return machine.rss_bytes(self.pid) > limit_mb * 1e6

    def kill(self) -> None:
        """End it; its owner hears of it."""
        self._child.kill()

    def dismiss(self) -> None:
        """It has nothing more to do: end it without waiting for its end."""
        self._child.dismiss()

    def stop(self, reason: str) -> None:
        """End it for good, and tell those who wait for it why."""
        self._child.stop()
        self.requests.refuse_all(reason)

    def _said(self, message: FromWorker) -> None:
        self.owner.said(self, message)

    def _died(self, code: int) -> None:
        self.owner.died(self, code)
