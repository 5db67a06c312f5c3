"""An agent with several live sources at once, one of them dead."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tty
from pathlib import Path

from firmware_profiles import results
from firmware_profiles.manifest import InputSpec, Tensor
from tests.edge_agent.support import NULL, Device, Subscriber, model, wait_until, write_bundle
from tools.broker import Broker


def tensors(path: Path) -> Path:
    """A bundle without a real model, which takes any numbers of shape [6, 6]."""
    of = model(
        file="models/null.json",
        format="null",
        runtimes=list(NULL),
        inputs=[Tensor("x", [1, 6, 6], "float32")],
        pre=InputSpec(kind="tensor"),
    )
    return write_bundle(path, of, b'{"outputs": [[1, 3]]}')


def test_serial_and_command_go_on_beside_a_dead_camera(tmp_path: Path, broker: Broker) -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    frames = [sys.executable, "-c", "import sys; sys.stdout.buffer.write(bytes(36 * 50))"]
    device = Device(tmp_path, tensors(tmp_path / "b.godwit"), broker.url)
    device.configure(f"""
[[source]]
name = "imu"
kind = "serial"
port = "{os.ttyname(theirs)}"
format = {{ kind = "csv", channels = 6 }}
window = {{ length = 6, hop = 3 }}
[[source]]
name = "frames"
kind = "command"
command = {json.dumps(frames)}
format = {{ kind = "frames", width = 6, height = 6, pixels = "gray" }}
[[source]]
name = "dead"
kind = "camera"
address = "/dev/video99"
""")
    with Subscriber(broker.port) as subscriber, device.running():

        def answered(source: str) -> list[results.Input]:
            return [prediction.input for prediction in subscriber.of("prediction") if prediction.input.source == source]

        wait_until(lambda: len(answered("frames")) == 50, "an answer to every frame")
        os.write(ours, b"noise\n\n" + b"1,2,3,4,5,6\n" * 12)
        wait_until(lambda: len(answered("imu")) == 3, "an answer to every window")
        wait_until(lambda: {"source_failed", "source_ended"} <= set(subscriber.events()), "the camera and the end told")
        texts = [event.text for event in subscriber.of("event")]
    assert answered("frames") == [results.Input("frames", position) for position in range(50)]
    assert answered("imu") == [results.Input("imu", position) for position in range(3)]
    assert "frames: no more inputs" in texts
    assert [text for text in texts if "/dev/video99" in text]
    os.close(ours)
    os.close(theirs)


def test_what_is_piped_into_the_agent_is_answered(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, tensors(tmp_path / "b.godwit"), broker.url)
    device.configure("""
[[source]]
name = "pipe"
kind = "stdin"
format = { kind = "csv", channels = 6 }
window = { length = 6, hop = 3 }
""")
    with Subscriber(broker.port) as subscriber, device.running(stdin=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(b"1,2,3,4,5,6\n" * 12)
        process.stdin.close()
        wait_until(lambda: "source_ended" in subscriber.events(), "the end")
        wait_until(lambda: len(subscriber.of("prediction")) == 3, "an answer to every window")
