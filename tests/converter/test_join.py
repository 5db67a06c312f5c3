"""Bundles that become one: what is refused, and a detector whose crops another model looks at, in a real agent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from firmware_profiles import results
from firmware_profiles.bundle import Bundle
from firmware_profiles.manifest import DetectionSpec, InputSpec, OutputSpec, RuntimeClaim, Tensor
from godwit.cli import main
from tests.converter.make_tasks import detector
from tests.edge_agent.support import Device, Subscriber, model, wait_until, write_bundle
from tools.broker import Broker

OUTPUTS = {"boxes": [1, 4, 4], "classes": [1, 4], "scores": [1, 4], "count": [1]}


def detecting(folder: Path) -> Path:
    """Four quarters of an image of 8 × 8 pixels, as likely as they are bright."""
    found = model(
        name="quarters",
        task="detection",
        file="models/quarters.onnx",
        format="onnx",
        inputs=[Tensor("image", [1, 1, 8, 8], "float32")],
        outputs=[Tensor(name, shape, "float32") for name, shape in OUTPUTS.items()],
        pre=InputSpec(kind="image", height=8, width=8, colour="gray", layout="nchw", scale=1 / 255),
        post=OutputSpec(threshold=0.5, detection=DetectionSpec("boxes_scores_classes")),
        runtimes=[RuntimeClaim("onnx", "cpu", "1.17", 1e-4)],
        labels=["even", "odd"],
    )
    content = detector(folder / "quarters.onnx").read_bytes()
    return write_bundle(folder / "quarters.godwit", found, content, name="quarters")


def joined(folder: Path, *arguments: str) -> Path:
    bundles = [str(detecting(folder)), str(write_bundle(folder / "tiny.godwit"))]
    result = CliRunner().invoke(
        main, ["join", *bundles, "--name", "gate", "--version", "2.0", "--out", str(folder / "out"), *arguments]
    )
    assert result.exit_code == 0, result.output
    return Path(result.output.strip())


def test_what_is_found_is_looked_at_by_another_model(tmp_path: Path, broker: Broker) -> None:
    path = joined(tmp_path, "--link", "quarters:tiny")
    with Bundle(path) as bundle:
        assert [each.name for each in bundle.manifest.models] == ["quarters", "tiny"]
    image = np.zeros((8, 8), np.uint8)
    image[:4, :4] = 255
    image[4:, 4:] = 200
    np.savez(tmp_path / "d.npz", x=image[np.newaxis])
    device = Device(tmp_path, path, broker.url)
    device.replay(tmp_path / "d.npz")
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: len(subscriber.of("prediction")) == 1, "the prediction")
        (prediction,) = subscriber.of("prediction")
    assert prediction.model == "quarters"
    assert isinstance(prediction.result, results.Detections)
    assert [found.box for found in prediction.result.objects] == [results.Box(0, 0, 4, 4), results.Box(4, 4, 8, 8)]
    for found in prediction.result.objects:
        assert isinstance(found.then["tiny"], results.Classification)


def test_without_links_both_answer_every_input(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, joined(tmp_path), broker.url)
    np.savez(tmp_path / "d.npz", x=np.full((10, 8, 8), 255, np.uint8))
    device.replay(tmp_path / "d.npz")
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: len(subscriber.of("prediction")) == 20, "all predictions")
        wait_until(lambda: set(device.status()["models"]) == {"quarters", "tiny"}, "both in the status")
    for name in ("quarters", "tiny"):
        answered = [each.input.position for each in subscriber.of("prediction") if each.model == name]
        assert answered == list(range(10))


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        (["quarters:tinny"], "did you mean 'tiny'"),
        (["tiny:quarters"], "a detection in tiny"),
        (["quarters:tiny", "tiny:quarters:output"], "without a circle"),
        (["quarters"], "PRODUCER:CONSUMER"),
        (["quarters:tiny:cuts"], "PRODUCER:CONSUMER"),
    ],
)
def test_wrong_links_are_refused_and_nothing_is_written(tmp_path: Path, links: list[str], expected: str) -> None:
    bundles = [str(detecting(tmp_path)), str(write_bundle(tmp_path / "tiny.godwit"))]
    flags = [word for link in links for word in ("--link", link)]
    arguments = ["join", *bundles, "--name", "gate", "--version", "2.0", "--out", str(tmp_path / "out"), *flags]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code != 0
    assert expected in f"{result.output} {result.exception}"
    assert not (tmp_path / "out").exists()


def test_a_model_twice_is_refused(tmp_path: Path) -> None:
    one = str(write_bundle(tmp_path / "tiny.godwit"))
    result = CliRunner().invoke(
        main, ["join", one, one, "--name", "gate", "--version", "1", "--out", str(tmp_path / "o")]
    )
    assert "'tiny' twice" in f"{result.output} {result.exception}"
