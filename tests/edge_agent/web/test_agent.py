"""HTTP of a whole running agent, with its own supervisor and worker."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import numpy as np

from tests.edge_agent.support import Device, images, wait_until
from tests.edge_agent.web.served import Answer, Client, request
from tests.edge_agent.web.test_connection import BODY, INFER
from tests.edge_agent.web.test_page import event

NO_BROKER = "mqtt://127.0.0.1:1"


def ask(device: Device, method: str, path: str, body: bytes = b"") -> Answer:
    """One request to where the agent says that it listens."""
    with Client(int(device.status()["listens"].rpartition(":")[2])) as client:
        client.send(request(method, path, body))
        return client.answer()


def running(device: Device) -> bool:
    """Whether the model is proved."""
    return device.status().get("state") == "running"


def test_an_agent_answers_and_its_predictions_are_seen(tmp_path: Path, bundle: Path) -> None:
    np.savez(tmp_path / "data.npz", x=images(500))
    device = Device(tmp_path, bundle, NO_BROKER, listen="127.0.0.1:0")
    device.replay(tmp_path / "data.npz", rate=20)
    with device.running():
        wait_until(lambda: running(device), "a proved model")
        assert ask(device, "POST", INFER, BODY).json["model_name"] == "tiny"
        with Client(int(device.status()["listens"].rpartition(":")[2])) as client:
            client.send(request("GET", "/api/live"))
            assert event(client, "prediction")["input"]["source"] == "replay"
        metrics = ask(device, "GET", "/metrics").body
        for line in (b"godwit_ready 1\n", b"godwit_mqtt_connected 0\n", b'godwit_events_total{name="ready"} 1\n'):
            assert line in metrics

        worker = device.status()["worker_pid"]
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: running(device) and device.status()["worker_pid"] != worker, "another worker")
        assert ask(device, "POST", INFER, BODY).status == 200
        assert b"godwit_worker_restarts_total 1\n" in ask(device, "GET", "/metrics").body


def test_a_taken_port_is_an_event_and_the_agent_goes_on(tmp_path: Path, bundle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        device = Device(tmp_path, bundle, NO_BROKER, listen=f"127.0.0.1:{taken.getsockname()[1]}")
        with device.running():
            wait_until(lambda: running(device), "a proved model")
            assert device.status()["listens"] == ""
    (told,) = [told for told in device.spooled("event") if told.name == "http_unavailable"]
    assert "in use" in told.text
