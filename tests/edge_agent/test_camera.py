"""The camera source with real video: a file written by OpenCV, and pictures over HTTP that never end."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.flow import attempts
from edge_agent.flow.source import Ended
from edge_agent.source_config import Camera
from tests.edge_agent.polling import failure, next_item, opened
from tests.edge_agent.support import wait_until
from tests.edge_agent.test_mjpeg import jpeg

SHADES = [0, 40, 80, 120, 160]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    import cv2

    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (32, 24))
    for shade in SHADES:
        frame = np.full((24, 32, 3), shade, np.uint8)
        frame[:, :, 0] = 250  # blue, as OpenCV has it
        writer.write(frame)
    writer.release()
    return tmp_path / "v.avi"


def frames(source: Any) -> list[tuple[int | str, int]]:
    """Position and green of every frame until the end."""
    found = []
    with contextlib.suppress(Ended):
        while True:
            item = next_item(source)
            assert item.content.shape == (24, 32, 3)  # type: ignore[union-attr]
            assert item.content[:, :, 2].mean() > 200  # type: ignore[union-attr]
            found.append((item.position, round(float(item.content[:, :, 1].mean()))))  # type: ignore[union-attr]
    return found


def test_every_frame_of_a_file_is_an_input(video: Path) -> None:
    with opened(Camera(name="v", address=str(video))) as source:
        found = frames(source)
    assert [position for position, _ in found] == list(range(5))
    np.testing.assert_allclose([shade for _, shade in found], SHADES, atol=8)


def test_a_file_goes_on_where_it_was_left(video: Path) -> None:
    with opened(Camera(name="v", address=str(video)), reached=2) as source:
        assert [position for position, _ in frames(source)] == [3, 4]


def test_a_file_waits_for_whoever_is_slow(video: Path) -> None:
    with opened(Camera(name="v", address=str(video))) as source:
        assert next_item(source).position == 0
        descriptor = source.fileno()
        assert descriptor is not None
        assert select.select([descriptor], [], [], 30)[0]
        time.sleep(0.1)  # what would be dropped is dropped by now
        assert [position for position, _ in frames(source)] == [1, 2, 3, 4]


def test_what_cannot_be_opened_is_told_once_and_tried_again(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_FIRST_DELAY_S", 0.05)
    with opened(Camera(name="v", address=str(tmp_path / "later.avi"))) as source:
        assert "expected a video file, found no such file" in failure(source)
        descriptor = source.fileno()
        assert descriptor is not None
        assert select.select([descriptor], [], [], 0.3)[0] == []  # it tried again, and that is no news
        (tmp_path / "later.avi").write_bytes(b"no video")
        assert "expected a camera or video, found none that opens" in failure(source)
        os.replace(video, tmp_path / "later.avi")
        assert len(frames(source)) == 5


class _Stream(BaseHTTPRequestHandler):
    """Pictures for ever, each brighter than the last, until the server's `on` is cleared."""

    def do_GET(self) -> None:  # the name that http.server calls
        server: Any = self.server
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        self.end_headers()
        with contextlib.suppress(OSError):
            while server.on.is_set():
                picture = jpeg(server.shade % 256)
                self.wfile.write(b"--picture\r\nContent-Type: image/jpeg\r\n\r\n" + picture + b"\r\n")
                server.shade += 1
                time.sleep(0.01)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Stream) as serving:
        serving.on = threading.Event()  # type: ignore[attr-defined]
        serving.on.set()  # type: ignore[attr-defined]
        serving.shade = 0  # type: ignore[attr-defined]
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving
        serving.on.clear()  # type: ignore[attr-defined]
        serving.shutdown()


def test_of_a_live_camera_the_newest_frame_counts_and_it_is_opened_again(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_FIRST_DELAY_S", 0.05)
    address = f"http://user:secret@127.0.0.1:{server.server_port}/v"
    with opened(Camera(name="v", address=address), reached=9) as source:
        first = next_item(source)
        shown = server.shade
        wait_until(lambda: server.shade >= shown + 40, "forty more pictures sent")
        second = next_item(source)
        assert (first.position, second.position) == (10, 11)
        assert second.content.mean() - first.content.mean() > 15  # type: ignore[union-attr]
        server.on.clear()
        told = failure(source)
        assert "none any more" in told
        assert "secret" not in told
        server.on.set()
        next_item(source)


def test_a_camera_that_never_answers_keeps_nobody_waiting() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"rtsp://127.0.0.1:{listening.getsockname()[1]}/v"
        with opened(Camera(name="v", address=address)) as source:
            assert source.poll() is None
            connection, _ = listening.accept()
            assert [source.poll() for _ in range(100)] == [None] * 100
            connection.close()
