"""Somebody who asks over HTTP all the time, and how long each answer took, whatever happened to the agent meanwhile."""

from __future__ import annotations

import http.client
import io
import threading
import time
from typing import Any

import numpy as np

_PAUSE_S = 0.01
_AGAIN_S = 0.005


class Asker:
    """Sends one request after the other, and again what was refused, until it is stopped.

    Attributes:
        waits_ms: (since boot, until the answer) of each request.
    """

    def __init__(self, port: int, model: str, raw: Any) -> None:
        self.waits_ms: list[tuple[float, float]] = []
        self._port = port
        self._path = f"/api/predict/{model}"
        stream = io.BytesIO()
        np.save(stream, raw)
        self._body = stream.getvalue()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the end."""
        self._end.set()
        self._thread.join()

    def longest_ms(self, begin_ms: float, end_ms: float) -> float:
        """The longest wait of those that began in between, by the time since boot."""
        return max((wait for began, wait in self.waits_ms if begin_ms <= began <= end_ms), default=0.0)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._end.wait(_PAUSE_S):
            began_ms = now_ms()
            while not self._end.is_set() and not self._answered(connection):
                connection.close()
                time.sleep(_AGAIN_S)
            self.waits_ms.append((began_ms, now_ms() - began_ms))

    def _answered(self, connection: http.client.HTTPConnection) -> bool:
        try:
            connection.request("POST", self._path, self._body)
            reply = connection.getresponse()
            reply.read()
        except (OSError, http.client.HTTPException):
            return False
        return reply.status == http.client.OK


def now_ms() -> float:
    """Since boot."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) / 1e6
