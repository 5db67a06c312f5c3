"""What changes while the agent runs: its configuration, the temperature, the memory of its worker."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from firmware_profiles.manifest import Sensors
from tests.edge_agent.support import NULL, Device, Subscriber, images, model, null_bundle, wait_until, write_bundle
from tools.broker import Broker


def replayed(folder: Path, name: str, count: int) -> str:
    np.savez(folder / f"{name}.npz", x=images(count))
    return f'[[source]]\nname = "{name}"\nkind = "replay"\npath = "{folder}/{name}.npz"\nrate = 100'


def test_a_source_that_is_added_runs_at_once_and_the_others_go_on(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    device.configure(replayed(tmp_path, "first", 300))
    with Subscriber(broker.port) as subscriber, device.running() as process:
        wait_until(lambda: len(subscriber.of("prediction")) >= 50, "the first source")
        device.configure(replayed(tmp_path, "second", 20))
        wait_until(lambda: "configuration_changed" in subscriber.events(), "the event")
        wait_until(lambda: len(subscriber.of("prediction")) >= 320, "both sources")
        assert process.poll() is None
    inputs = [(each.input.source, each.input.position) for each in subscriber.of("prediction")]
    assert sorted(inputs) == [("first", i) for i in range(300)] + [("second", i) for i in range(20)]


def test_a_wrong_file_keeps_the_old_one_and_says_why(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    device.configure(replayed(tmp_path, "first", 300))
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: bool(subscriber.of("prediction")), "the first prediction")
        device.configure('[[source]]\nname = "more"\nkind = "replya"')
        wait_until(lambda: "configuration_refused" in subscriber.events(), "the event")
        wait_until(lambda: len(subscriber.of("prediction")) == 300, "all of the old source")
    text = next(event.text for event in subscriber.of("event") if event.name == "configuration_refused")
    assert "replay" in text


def test_a_publish_policy_takes_effect_without_a_new_worker(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    device.configure(replayed(tmp_path, "first", 500))
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: len(subscriber.of("prediction")) >= 20, "some")
        worker = device.status()["worker_pid"]
        device.configure('[[publish]]\nwhen = "change"')  # the null model always says the same
        wait_until(lambda: "configuration_changed" in subscriber.events(), "the event")
        wait_until(lambda: device.status()["predictions"] == 500, "the end of the source")
        assert device.status()["worker_pid"] == worker
        wait_until(lambda: device.status()["spool_messages"] == 0, "an empty spool")
    assert len(subscriber.of("prediction")) < 500


def test_in_the_heat_sources_go_slower(tmp_path: Path, broker: Broker) -> None:
    sensor = tmp_path / "temp"
    sensor.write_text("40000")
    of = model(file="models/null.json", format="null", runtimes=list(NULL))
    path = write_bundle(tmp_path / "b.godwit", of, b'{"outputs": [[1, 3]]}', sensors=Sensors(temperature=str(sensor)))
    device = Device(tmp_path, path, broker.url)
    device.configure("[thermal]\nmax_temp_c = 60")
    device.configure(replayed(tmp_path, "first", 5000))
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: bool(subscriber.of("prediction")), "the first prediction")
        assert device.status()["rate_factor"] == 1
        sensor.write_text("70000")
        wait_until(lambda: "rate_lowered" in subscriber.events(), "the event")
        wait_until(lambda: device.status()["rate_factor"] < 1, "the status")


def test_a_source_for_a_model_that_is_not_there_is_told(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    device.configure(replayed(tmp_path, "first", 1) + '\nmodels = ["tinny"]')
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: "model_refused" in subscriber.events(), "the event")
    text = next(event.text for event in subscriber.of("event") if event.name == "model_refused")
    assert "did you mean 'tiny'" in text
    assert "worker_died" not in subscriber.events()


def test_an_input_that_workers_die_of_is_given_up(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    device.configure("[worker]\ndeadline_s = 1e-6")  # as if each were the input that hangs
    device.configure(replayed(tmp_path, "first", 1))
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: "source_ended" in subscriber.events(), "what comes after it")
    (rejected,) = [event for event in subscriber.of("event") if event.name == "input_rejected"]
    assert (rejected.input.source, rejected.input.position) == ("first", 0)
    assert subscriber.events().count("worker_died") == 3


def test_a_worker_with_too_much_memory_is_ended_and_it_is_told(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    device.configure("[worker]\nmax_rss_mb = 1")
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: "worker_died" in subscriber.events(), "the end of the worker")
    text = next(event.text for event in subscriber.of("event") if event.name == "worker_died")
    assert text == "more than 1 MB of memory"
