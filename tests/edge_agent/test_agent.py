"""The agent as a process, with a real broker."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from firmware_profiles import bundle, results, wire
from firmware_profiles.manifest import RuntimeClaim
from tests.edge_agent.support import (
    LITERT,
    MODELS,
    Device,
    Subscriber,
    agent,
    golden,
    images,
    manifest,
    model,
    null_bundle,
    wait_until,
    write_bundle,
)
from tests.edge_agent.test_golden import corrupted
from tools.broker import Broker

FLOAT = (MODELS / "tiny-float32.tflite").read_bytes()


def data(folder: Path, count: int) -> Path:
    np.savez(folder / "d.npz", x=images(count))
    return folder / "d.npz"


def test_a_replay_becomes_predictions(tmp_path: Path, broker: Broker) -> None:
    path = write_bundle(tmp_path / "b.godwit")
    device = Device(tmp_path, path, broker.url)
    device.replay(data(tmp_path, 50))
    with Subscriber(broker.port) as subscriber:
        with device.running():
            wait_until(lambda: len(subscriber.of("prediction")) >= 50, "predictions")
            wait_until(lambda: len(subscriber.of("info")) >= 2, "info after the proof")
        wait_until(lambda: subscriber.of("status")[-1].state == "stopped", "the last status")
        predictions = subscriber.of("prediction")
        info: wire.Info = subscriber.of("info")[-1]
        events = subscriber.events()
    assert [prediction.input for prediction in predictions] == [results.Input("replay", i) for i in range(50)]
    assert [prediction.seq for prediction in predictions] == list(range(1, 51))
    assert subscriber.of("status")[0].state == "online"
    assert info.models["tiny"].runtime == "litert"
    assert info.models["tiny"].delegated_nodes == info.models["tiny"].nodes == 5
    assert events == ["started", "ready", "source_ended"]
    expected = agent("predict", path, tmp_path / "d.npz", "--json", check=True).stdout.splitlines()
    found = [prediction.result.top[0].label for prediction in predictions]
    assert [
        f'"label":"{label}"' in line.partition('"top":')[2][:40] for label, line in zip(found, expected, strict=True)
    ]


def test_the_broker_goes_away_and_nothing_is_lost(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    device.replay(data(tmp_path, 600), rate=300)
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: len(subscriber.of("prediction")) >= 100, "first predictions")
        broker.stop()
        wait_until(lambda: device.status()["predictions"] == 600, "answers without a broker")
        assert not device.status()["connected"]
        broker.start()
        wait_until(lambda: len({p.input.position for p in subscriber.of("prediction")}) == 600, "the rest")
        wait_until(lambda: device.status()["spool_messages"] == 0, "an empty spool")


def test_what_was_in_flight_when_the_broker_died_is_sent_again(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    device.replay(data(tmp_path, 200), rate=150)
    with Subscriber(broker.port) as subscriber, device.running() as process:
        wait_until(lambda: bool(subscriber.of("prediction")), "the first prediction")
        os.kill(broker.pid, signal.SIGSTOP)
        wait_until(lambda: device.status()["predictions"] == 200, "more than the window holds")
        process.send_signal(signal.SIGSTOP)  # until the subscriber is there again
        os.kill(broker.pid, signal.SIGKILL)
        broker.stop()
        wait_until(lambda: not subscriber.subscribed.is_set(), "the end of the subscription")
        broker.start()
        wait_until(subscriber.subscribed.is_set, "a new subscription")
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: len(set(positions(subscriber))) == 200, "every prediction")


def test_an_unreachable_broker_at_the_start_is_no_error(tmp_path: Path, broker: Broker) -> None:
    broker.stop()
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    device.replay(data(tmp_path, 20))
    with device.running() as process:
        wait_until(lambda: device.status().get("spool_messages", 0) >= 23, "spooled messages")
        assert process.poll() is None
    assert process.returncode == 0
    assert [prediction.input.position for prediction in device.spooled("prediction")] == list(range(20))
    broker.start()
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: len(subscriber.of("prediction")) == 20, "what was spooled before")


def test_the_last_will_says_offline(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    with Subscriber(broker.port) as subscriber, device.running() as process:
        wait_until(lambda: bool(subscriber.of("status")), "online")
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: subscriber.of("status")[-1].state == "offline", "the last will")


def test_a_model_that_disagrees_with_its_golden_vectors_is_refused_with_an_event(
    tmp_path: Path, broker: Broker
) -> None:
    path = write_bundle(tmp_path / "b.godwit", content=corrupted(FLOAT), golden_from=FLOAT)
    device = Device(tmp_path, path, broker.url)
    device.replay(data(tmp_path, 5))
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: "model_refused" in subscriber.events(), "the refusal")
        wait_until(lambda: device.status()["state"] == "refused", "the state")
        wait_until(lambda: device.status()["worker_pid"] == 0, "the end of the worker")
    assert subscriber.of("prediction") == []


def test_a_file_changed_on_the_device_is_refused(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, write_bundle(tmp_path / "b.godwit"), broker.url)
    file = device.root / "slots" / "a" / "models" / "tiny.tflite"
    file.write_bytes(corrupted(FLOAT))
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: "model_refused" in subscriber.events(), "the refusal")
    assert "sha256" in subscriber.of("event")[-1].text


def test_a_runtime_that_is_not_there_is_passed_over_with_an_event(tmp_path: Path, broker: Broker) -> None:
    absent = RuntimeClaim("litert", "gpu", "2.1.0", 1e-4)
    content = {"models/tiny.tflite": FLOAT, "golden.npz": golden(model(), FLOAT)}
    bundle.write(tmp_path / "b.godwit", manifest(model(runtimes=[absent, *LITERT])), content)
    device = Device(tmp_path, tmp_path / "b.godwit", broker.url)
    device.replay(data(tmp_path, 3))
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: len(subscriber.of("prediction")) == 3, "predictions")
        wait_until(lambda: bool(device.status().get("models")), "the status")
        used = device.status()["models"]["tiny"]
    assert "runtime_fallback" in subscriber.events()
    assert used["delegate"] == "xnnpack"
    assert used["skipped"][0]["delegate"] == "gpu"


def test_a_worker_that_keeps_dying_gets_the_next_runtime(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, write_bundle(tmp_path / "b.godwit"), broker.url)
    with Subscriber(broker.port) as subscriber, device.running():
        dead = 0
        for count in range(1, 4):
            wait_until(lambda: subscriber.events().count("ready") == count, "ready")  # noqa: B023  # called at once
            wait_until(lambda: device.status()["worker_pid"] not in (0, dead), "the worker")  # noqa: B023
            dead = device.status()["worker_pid"]
            os.kill(dead, signal.SIGKILL)
        wait_until(lambda: "runtime_fallback" in subscriber.events(), "the fallback")
        wait_until(lambda: bool(device.status()["models"]), "the status")
        used = device.status()["models"]["tiny"]
    assert (used["runtime"], used["delegate"]) == ("litert", "none")


def test_a_worker_that_hangs_is_ended_by_its_deadline(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    device.replay(data(tmp_path, 3))
    # No inference is that fast: every one overruns its deadline, also while it is in C.
    device.configure("[worker]\ndeadline_s = 1e-6")
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: "worker_died" in subscriber.events(), "the worker's end")
    assert "deadline" in next(event.text for event in subscriber.of("event") if event.name == "worker_died")


def test_files_that_appear_in_a_folder_are_answered_once_each(tmp_path: Path, broker: Broker) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    device = Device(tmp_path, write_bundle(tmp_path / "b.godwit"), broker.url)
    device.configure(f'[[source]]\nname = "pictures"\nkind = "folder"\npath = "{pictures}"')
    save_picture(pictures / "early.png")
    with Subscriber(broker.port) as subscriber:
        with device.running():
            wait_until(lambda: positions(subscriber) == ["early.png"], "the first")
            (pictures / "broken.png").write_bytes(b"\x89PNG nothing")
            (pictures / ".half.png").write_bytes(b"somebody still writes this")
            (pictures / "notes.txt").write_text("not an input")
            save_picture(pictures / "late.png")
            wait_until(lambda: positions(subscriber) == ["early.png", "late.png"], "the second")
            wait_until(lambda: "input_rejected" in subscriber.events(), "the broken one's event")
        (pictures / "early.png").unlink()
        with device.running():
            save_picture(pictures / "third.png")
            wait_until(lambda: positions(subscriber)[2:] == ["third.png"], "only the new one after a restart")
            save_picture(pictures / "early.png")
            wait_until(lambda: positions(subscriber)[3:] == ["early.png"], "what vanished and came again")
    rejected = [event.input.position for event in subscriber.of("event") if event.name == "input_rejected"]
    assert rejected == ["broken.png"]


def save_picture(path: Path) -> None:
    Image.fromarray(images(1)[0]).save(path)


def positions(subscriber: Subscriber) -> list[object]:
    return [prediction.input.position for prediction in subscriber.of("prediction")]


def test_wrong_inputs_are_rejected_one_by_one(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, write_bundle(tmp_path / "b.godwit"), broker.url)
    np.savez(tmp_path / "d.npz", x=images(4).astype(np.float32))
    device.replay(tmp_path / "d.npz")
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: "source_ended" in subscriber.events(), "the end")
    assert subscriber.events().count("input_rejected") == 4


def test_a_source_that_cannot_be_opened_does_not_stall_another(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    device.configure(f'[[source]]\nname = "gone"\nkind = "folder"\npath = "{tmp_path}/nowhere"')
    device.replay(data(tmp_path, 10))
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: len(subscriber.of("prediction")) == 10, "the other source")
        wait_until(lambda: "source_failed" in subscriber.events(), "the event")


def test_telemetry_counts(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    device.replay(data(tmp_path, 10))
    device.configure("[telemetry]\ninterval_s = 0.3")
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: any(message.predictions == 10 for message in subscriber.of("telemetry")), "telemetry")
        last: wire.Telemetry = subscriber.of("telemetry")[-1]
    assert last.latency_p50_ms is not None
    assert last.worker_rss_bytes > 1e6
    assert last.supervisor_rss_bytes > 1e6


def test_a_damaged_spool_is_reported_and_the_agent_goes_on(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    device.replay(data(tmp_path, 5))
    (device.root / "var" / "spool.db").write_bytes(b"not a database " * 1000)
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: len(subscriber.of("prediction")) == 5, "predictions")
    assert subscriber.events()[0] == "spool_replaced"


def test_only_one_agent_uses_a_root(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    with device.running():
        wait_until(lambda: bool(device.status()), "the first")
        done = agent("run", "--root", device.root)
        assert done.returncode == 4
        assert agent("status", "--root", device.root).returncode == 0


def test_systemd_is_told(tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(address))
        listener.settimeout(20)
        device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        with device.running():
            first = [listener.recv(100) for _ in range(4)]
        assert set(first) == {b"READY=1", b"WATCHDOG=1"}
        last = b""
        while last != b"STOPPING=1":
            last = listener.recv(100)


def test_no_worker_outlives_a_killed_supervisor(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    with device.running() as process:
        wait_until(lambda: device.status().get("state") == "running", "running")
        pid = device.status()["worker_pid"]
        worker = Path(f"/proc/{pid}")
        assert worker.exists()
        os.kill(pid, signal.SIGSTOP)  # as if it hung: it cannot notice by itself
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: not worker.exists(), "the worker's end")
