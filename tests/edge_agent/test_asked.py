"""A real agent that is asked: over HTTP, over MQTT, by messages for its MQTT source."""

from __future__ import annotations

import io
import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from PIL import Image

from firmware_profiles import results, topics, wire
from tests.edge_agent.links import asking
from tests.edge_agent.support import Device, Subscriber, agent, images, null_bundle, wait_until, write_bundle
from tools.broker import Broker


def png(image: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


@contextmanager
def serving(device: Device) -> Iterator[str]:
    """The URL of a running agent whose model is ready."""
    with device.running():
        wait_until(lambda: device.status().get("state") == "running" and device.status()["listens"] != "", "ready")
        yield f"http://{device.status()['listens']}"


def post(url: str, body: bytes) -> tuple[int, Any]:
    """Status and document."""
    try:
        with urllib.request.urlopen(url, body, timeout=20) as reply:  # noqa: S310  # our own, on loopback
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_http_answers_as_predict_does(tmp_path: Path, broker: Broker) -> None:
    path = write_bundle(tmp_path / "b.godwit")
    device = Device(tmp_path, path, broker.url, listen="127.0.0.1:0")
    (tmp_path / "p.png").write_bytes(png(images(1)[0]))
    expected = json.loads(agent("predict", path, tmp_path / "p.png", "--json", check=True).stdout)
    tensor = {"name": "image", "datatype": "FP32", "shape": [1, 6, 6, 1], "data": (images(1)[0] / 255).ravel().tolist()}
    with serving(device) as url:
        status, answer = post(f"{url}/api/predict/tiny", (tmp_path / "p.png").read_bytes())
        assert (status, answer["result"]) == (200, expected["result"])
        status, outputs = post(f"{url}/v2/models/tiny/infer", json.dumps({"inputs": [tensor]}).encode())
        assert status == 200
        assert outputs["outputs"][0]["shape"] == [1, 3]
        assert np.argmax(outputs["outputs"][0]["data"]) == expected["result"]["top"][0]["index"]
        assert post(f"{url}/api/predict/tiny", b"no picture")[0] == 400
        assert post(f"{url}/api/predict/other", b"")[0] == 404


def test_http_has_an_answer_again_after_a_worker_died(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, write_bundle(tmp_path / "b.godwit"), broker.url, listen="127.0.0.1:0")
    picture = png(images(1)[0])
    with serving(device) as url:
        os.kill(device.status()["worker_pid"], signal.SIGKILL)
        found: list[int] = []

        def answered() -> bool:
            found.append(post(f"{url}/api/predict/tiny", picture)[0])
            return found[-1] == 200

        wait_until(answered, "an answer of the next worker")
        assert set(found) <= {200, 503}


def test_a_port_that_is_taken_is_an_event(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url, listen=f"127.0.0.1:{broker.port}")
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: "http_unavailable" in subscriber.events(), "the event")
        wait_until(lambda: "ready" in subscriber.events(), "the rest of the agent")


def test_mqtt_requests_are_answered(tmp_path: Path, broker: Broker) -> None:
    path = write_bundle(tmp_path / "b.godwit")
    device = Device(tmp_path, path, broker.url)
    request = topics.topic("d1", "infer", "tiny")
    with asking(broker.port) as asker, device.running():
        asker.subscribe("desk/answers")
        wait_until(lambda: device.status().get("connected", False), "connected")
        asker.say(request, png(images(1)[0]), ResponseTopic="desk/answers", CorrelationData=b"1")
        asker.say(request, b"nonsense", ResponseTopic="desk/answers", CorrelationData=b"2")
        wait_until(lambda: len(asker.heard) == 2, "both answers")
        replies = {
            message.properties.CorrelationData: msgspec.json.decode(message.payload, type=wire.Reply)
            for message in asker.heard
        }
    assert isinstance(replies[b"1"].result, results.Classification)
    assert replies[b"1"].error == ""
    assert replies[b"2"].result is None
    assert "expected" in replies[b"2"].error


def test_a_request_that_workers_die_of_is_answered_with_the_reason(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    device.configure("[worker]\ndeadline_s = 1e-6")  # no inference is that fast
    with asking(broker.port) as asker, device.running():
        asker.subscribe("desk/answers")
        wait_until(lambda: device.status().get("connected", False), "connected")
        asker.say(topics.topic("d1", "infer", "tiny"), png(images(1)[0]), ResponseTopic="desk/answers")
        wait_until(lambda: len(asker.heard) == 1, "an answer")
        reply = msgspec.json.decode(asker.heard[0].payload, type=wire.Reply)
    assert "deadline" in reply.error


def test_the_broker_balances_requests_over_the_agents_of_a_pool(tmp_path: Path, broker: Broker) -> None:
    path = write_bundle(tmp_path / "b.godwit")
    devices = [Device(tmp_path / name, path, broker.url, name) for name in ("left", "right")]
    for device in devices:
        file = device.root / "etc" / "agent.toml"
        file.write_text(file.read_text().replace("[broker]\n", '[broker]\npools = ["line-3"]\n'))
    request = topics.topic("", "infer", "tiny", pool="line-3")
    with asking(broker.port) as asker, devices[0].running(), devices[1].running():
        asker.subscribe("desk/answers")
        for device in devices:
            wait_until(lambda: device.status().get("state") == "running", "ready")  # noqa: B023  # called at once
            wait_until(lambda: device.status()["connected"], "connected")  # noqa: B023
        for number, image in enumerate(images(20)):
            asker.say(request, png(image), ResponseTopic="desk/answers", CorrelationData=bytes([number]))
        wait_until(lambda: len(asker.heard) == 20, "all answers")
        replies = [msgspec.json.decode(message.payload, type=wire.Reply) for message in asker.heard]
    assert {message.properties.CorrelationData for message in asker.heard} == {bytes([number]) for number in range(20)}
    assert {reply.device for reply in replies} == {"left", "right"}
    assert all(isinstance(reply.result, results.Classification) for reply in replies)


def test_messages_of_a_topic_are_inputs(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, write_bundle(tmp_path / "b.godwit"), broker.url)
    device.configure('[[source]]\nname = "mill"\nkind = "mqtt"\ntopic = "mill/+/image"\nformat = { kind = "image" }')
    with Subscriber(broker.port) as subscriber, asking(broker.port) as asker:
        with device.running():
            wait_until(lambda: device.status().get("connected", False), "connected")
            for number, image in enumerate(images(5)):
                asker.say(f"mill/{number}/image", png(image))
                asker.say(f"mill/{number}/sound", b"not for us")
            wait_until(lambda: len(subscriber.of("prediction")) == 5, "five answers")
            os.kill(device.status()["worker_pid"], signal.SIGKILL)
            asker.say("mill/9/image", png(images(1)[0]))
            wait_until(lambda: len(subscriber.of("prediction")) == 6, "what came while no worker was there")
        asker.say("mill/10/image", png(images(1)[0]))  # the broker's session keeps it
        with device.running():
            wait_until(lambda: len(subscriber.of("prediction")) == 7, "what came while no agent was there")
    positions = [prediction.input.position for prediction in subscriber.of("prediction")]
    assert positions == list(range(7))
