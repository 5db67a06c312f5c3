"""The page: its events, and the whole of it in a real headless Chromium."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_profiles import bundle
from firmware_profiles.manifest import DetectionSpec, OutputSpec, RuntimeClaim, Tensor
from tests.edge_agent.support import images, manifest, model, wait_until
from tests.edge_agent.web.browser import Browser
from tests.edge_agent.web.served import Client, Served, request
from tests.edge_agent.web.test_auth import TOKEN
from tools import unpacked


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A file."""
    from PIL import Image

    path = tmp_path / "ant.png"
    Image.fromarray(images(1)[0]).save(path)
    return path


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A window."""
    command = unpacked.present("chromedriver")
    if not command:
        pytest.skip("no chromedriver here: python -m tools.unpacked chromedriver brings it, and Chromium (130 MB)")
    opened = Browser(command, tmp_path)
    yield opened
    opened.close()


def event(client: Client, wanted: str) -> Any:
    """The next event of that name."""
    while True:
        fields = dict(line.split(": ", 1) for line in client.until(b"\n\n").decode().splitlines() if ": " in line)
        if fields.get("event") == wanted:
            return json.loads(fields["data"])


def test_predictions_and_the_state_are_told_live(served: Served) -> None:
    with served.connect() as client:
        client.send(request("GET", "/api/live"))
        assert b"text/event-stream" in client.until(b"\r\n\r\n")
        status = event(client, "status")
        assert (status["status"]["state"], status["temperature_c"]) == ("running", 51.5)
        assert status["models"] == [
            {"name": "tiny", "task": "classification", "precision": "float32", "kind": "image", "shape": [6, 6]}
        ]
        served.tell("predict")
        told = event(client, "prediction")
        assert (told["model"], told["input"]["source"]) == ("tiny", "replay")
        assert event(client, "status") == status


def test_as_many_may_watch_as_the_server_has_room_for(served: Served) -> None:
    alone = b"godwit_http_connections 1\n"
    wait_until(lambda: alone in served.ask("GET", "/metrics").body, "those before to be gone")
    watching = [served.connect() for _ in range(8)]
    for client in watching:
        client.send(request("GET", "/api/live"))
        event(client, "status")
    assert served.ask("GET", "/api/live").status == 429
    for client in watching:
        client.half_close()
    wait_until(lambda: alone in served.ask("GET", "/metrics").body, "a watcher that closes its side is let go")
    with served.connect() as client:
        client.send(request("GET", "/api/live"))
        assert event(client, "status")


def test_a_file_goes_through_the_declared_processing(served: Served, picture: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "ant.npy", images(1)[0])
    answers = [
        served.ask("POST", "/api/predict/tiny", path.read_bytes()).json for path in (picture, tmp_path / "ant.npy")
    ]
    assert answers[0]["result"] == answers[1]["result"]
    assert {score["label"] for score in answers[0]["result"]["top"]} == {"ant", "bee", "cat"}
    for nonsense in (b"1,2,x", b"\x89PNG\r\n\x1a\n nothing", b"\x93NUMPY", b"\xff\xfe\x00", b"1,2,3", b" "):
        refused = served.ask("POST", "/api/predict/tiny", nonsense)
        assert refused.status == 400
        assert "expected" in refused.json["error"]


def test_a_person_drops_a_picture_and_sees_the_answer(served: Served, browser: Browser, picture: Path) -> None:
    browser.open(f"http://localhost:{served.port}/")
    wait_until(lambda: browser.text("#state") == "running", "the stream")
    browser.type("#file", str(picture))
    wait_until(lambda: "ant.png" in browser.text("#answer"), "an answer")
    right = served.ask("POST", "/api/predict/tiny", picture.read_bytes()).json["result"]["top"][0]["label"]
    assert browser.text("#answer .best").startswith(right)
    served.tell("predict")
    wait_until(lambda: "98.0 %" in browser.text("#predictions"), "a live prediction")
    facts = browser.text("#facts")
    for shown in ("51.5 °C", "connected", "1,234", "48 MB"):
        assert shown in facts
    assert browser.text("#slowed") == "Slowed down: under voltage"
    assert "litert/xnnpack" in browser.text("#runtimes")
    assert "expected a folder" in browser.text("#sources")
    unnamed = (
        "return [...document.querySelectorAll('input:not([hidden]),button,select')]"
        ".filter(e => !e.labels?.length && !e.textContent).length"
    )
    assert browser.run(unnamed) == 0
    elsewhere = (
        "return performance.getEntriesByType('resource')"
        f".filter(e => !e.name.startsWith('http://localhost:{served.port}/')).length"
    )
    assert browser.run(elsewhere) == 0
    assert browser.complaints() == []


def test_a_pasted_row_is_asked_and_what_is_wrong_is_told(served: Served, browser: Browser) -> None:
    browser.open(f"http://localhost:{served.port}/")
    wait_until(lambda: browser.text("#state") == "running", "the stream")
    browser.run(
        "const data = new DataTransfer(); data.setData('text', '1, 2, 3');"
        "document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true}));"
    )
    wait_until(lambda: "expected uint8" in browser.text("#answer .problem"), "the reason")


def test_the_page_asks_for_the_token_once(bundle: Path, browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    guarded = Served(bundle, "--token-file", str(path))
    try:
        browser.open(f"http://localhost:{guarded.port}/")
        wait_until(lambda: browser.run("return document.getElementById('token-dialog').open"), "the question")
        browser.type("#token", f"{TOKEN}\n")
        wait_until(lambda: browser.text("#state") == "running", "the stream")
    finally:
        guarded.stop()


def finder(path: Path) -> Path:
    """A bundle whose model finds the same two ants in every picture."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    outputs = {"boxes": [[[0.0, 0.0, 0.5, 0.5], [0.25, 0.25, 1.0, 1.0]]], "classes": [[0, 0]], "scores": [[0.9, 0.8]]}
    arrays = {name: np.array(values, np.float32) for name, values in outputs.items()}
    constants = [numpy_helper.from_array(array, f"{name}-") for name, array in arrays.items()]
    constants.append(numpy_helper.from_array(np.float32(0), "zero"))
    nodes = [helper.make_node("ReduceMax", ["image"], ["most"], keepdims=0)]  # so that a runtime has work to do
    nodes.append(helper.make_node("Mul", ["most", "zero"], ["nothing"]))
    nodes += [helper.make_node("Add", [f"{name}-", "nothing"], [name]) for name in arrays]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, arrays[name].shape) for name in arrays]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 6, 6, 1])
    graph = helper.make_graph(nodes, "finder", [image], infos, constants)
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    onnx.checker.check_model(content)
    of = model(
        task="detection",
        file="models/finder.onnx",
        format="onnx",
        runtimes=[RuntimeClaim("onnx", "cpu", "1.0", 1e-6)],
        outputs=[Tensor(name, list(array.shape), "float32") for name, array in arrays.items()],
        post=OutputSpec(detection=DetectionSpec("boxes_scores_classes", tensors=["boxes", "classes", "scores"])),
    )
    promised = io.BytesIO()
    np.savez(promised, x=images(16), **{f"y{i}": np.repeat(array, 16, 0) for i, array in enumerate(arrays.values())})
    bundle.write(path, manifest(of), {of.file: content, of.golden: promised.getvalue()})
    return path


def test_what_is_found_is_outlined_on_the_picture(tmp_path: Path, browser: Browser, picture: Path) -> None:
    served = Served(finder(tmp_path / "finder.godwit"))
    try:
        browser.open(f"http://localhost:{served.port}/")
        wait_until(lambda: browser.text("#state") == "running", "the stream")
        browser.type("#file", str(picture))
        wait_until(lambda: "ant, ant" in browser.text("#answer"), "an answer")
        rectangles = "[...document.querySelectorAll('#boxes rect')]"
        edges = f"return {rectangles}.map(e => [e.x, e.y, e.width].map(edge => edge.baseVal.value))"
        assert browser.run(edges) == [[0, 0, 3], [1.5, 1.5, 4.5]]
        assert browser.complaints() == []
    finally:
        served.stop()
