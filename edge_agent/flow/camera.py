"""The camera source: V4L2, a stream on the network, or a video file, through OpenCV in a thread of its own.

Of a live camera the newest frame counts: what nobody took is replaced. Of a file every frame is an
input, and its number there is its position.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

from edge_agent.flow.attempts import Attempts
from edge_agent.flow.images import MAX_PIXELS
from edge_agent.flow.source import Ended, Item
from edge_agent.runtimes.base import Array
from edge_agent.source_config import Camera
from firmware_profiles.errors import InputError, Problem

_TIMEOUT_MS = 10_000
_JOIN_S = 1.0


class CameraSource:
    """A `source.Source`: uint8 [height, width, 3] (RGB)."""

    def __init__(self, settings: Camera, reached: int) -> None:
        self._address = settings.address
        self._live = settings.live
        self._position = reached
        self._reached = reached
        # What the thread gives, guarded by `_changed`.
        self._changed = threading.Condition()
        self._frame: Array | None = None
        self._error: InputError | None = None
        self._ended = False
        self._closed = False
        self._event = -1
        self._thread = threading.Thread(target=self._run, name=f"camera {settings.name}", daemon=True)

    def poll(self) -> Item | None:
        """See `source.Source`."""
        if self._closed:
            raise Ended
        if self._event < 0:
            self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._thread.start()
        with self._changed:
            if self._frame is None or self._live:  # a file's last frame and its end may be there together
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._event)
            frame, self._frame = self._frame, None
            self._changed.notify()
            if frame is not None:
                self._position += 1
                return Item(self._position, frame)
            error, self._error = self._error, None
            if error is not None:
                raise error
            if self._ended:
                raise Ended
        return None

    def gone(self) -> list[str]:
        """None ever: nothing here has a name."""
        return []

    def fileno(self) -> int | None:
        """See `source.Source`."""
        return self._event if self._event >= 0 else None

    def finish(self) -> None:
        """See `source.Source`. Of a live camera the frame that waits is given up: the next one is as good."""
        self.close()

    def close(self) -> None:
        """See `source.Source`. A thread that hangs in a driver is left behind."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._event >= 0:
            self._thread.join(_JOIN_S)
            os.close(self._event)
            self._event = -1

    def _run(self) -> None:
        attempts = Attempts()
        while not self._closed:
            attempts.began(time.monotonic())
            try:
                self._watch(attempts)
            except InputError as error:
                if attempts.failed(error, time.monotonic()):
                    self._give(error=error)
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, attempts.due_s - time.monotonic())
            else:
                self._give(ended=True)
                return

    def _watch(self, attempts: Attempts) -> None:
        """Give frames until a file ends, or the source is closed."""
        cv2 = _opencv()
        capture = self._open(cv2)
        try:
            if not self._live and not all(capture.grab() for _ in range(self._reached + 1)):
                return
            while not self._closed:
                whole, frame = capture.read()
                if not whole and not self._live:
                    return
                if not whole or frame.shape[0] * frame.shape[1] > MAX_PIXELS:
                    raise self._failure("frames of at most 64 million pixels", "none any more")
                attempts.worked()
                self._give(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        finally:
            capture.release()

    def _open(self, cv2: Any) -> Any:
        if self._address.startswith("/dev/"):
            capture = cv2.VideoCapture(self._address, cv2.CAP_V4L2)
        elif self._live:
            timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS]
            capture = cv2.VideoCapture(self._address, cv2.CAP_FFMPEG, timeouts)
        elif Path(self._address).is_file():
            capture = cv2.VideoCapture(self._address, cv2.CAP_FFMPEG)
        else:
            raise self._failure("a video file", "no such file")
        if not capture.isOpened():
            raise self._failure("a camera or video", "none that opens")
        return capture

    def _give(self, frame: Array | None = None, error: InputError | None = None, ended: bool = False) -> None:
        with self._changed:
            if not self._live:
                self._changed.wait_for(lambda: self._frame is None or self._closed)
            if self._closed:
                return
            self._frame = self._frame if frame is None else frame
            self._error = error
            self._ended = ended
            os.eventfd_write(self._event, 1)

    def _failure(self, expected: str, found: str) -> InputError:
        shown = re.sub("//.*@", "//", self._address)  # a URL may hold a password
        return InputError(Problem(shown, expected, found, "check address, cable and rights; it is tried again"))


def _opencv() -> Any:
    """OpenCV, quiet: what it has to say, URLs with passwords among it, it says on our stderr."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ImportError:
        step = "pip install 'godwit[camera]'"
        raise InputError(Problem("camera", "the package opencv-python-headless", "none", step)) from None
    return cv2
