"""PyTorch sources: code with a state dict, and exported programs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from converter import toolchain
from converter.formats import base
from converter.processes import Processes
from converter.progress import Progress
from converter.protocol import Exported
from converter.routes import Routes
from converter.source import SourceTable, find
from firmware_profiles.errors import InputError
from tests.converter.conftest import DATA, Godwit, report, tiny_project
from tests.converter.test_real_models import IMAGENET, IMAGES
from tests.converter.test_routes import export, onnx_answer, tflite_answer

SHAPE = [1, 3, 8, 8]
ANSWERS = {"onnx-float32": onnx_answer, "tflite-float32": tflite_answer}
Start = Callable[..., Routes]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, made: Callable[[str], None]) -> Path:
    made("torch")
    folder = tmp_path_factory.mktemp("torch")
    maker = Path(__file__).with_name("make_torch.py")
    python = toolchain.prepare("torch", print)
    subprocess.run([python, maker, folder], check=True, capture_output=True)
    return folder


@pytest.fixture
def start(models: Path, tmp_path: Path) -> Iterator[Start]:
    """`start(source, state, shape)` → its routes; the files lie in `models`."""
    with Processes(tmp_path) as processes:

        def begin(source: str, state: str = "", shape: tuple[int, ...] = ()) -> Routes:
            return Routes(processes, tmp_path, Progress(), find(models, SourceTable("", source, state, list(shape))))

        yield begin


@pytest.mark.parametrize(
    ("recipe", "arguments"),
    [
        ("onnx-float32", ("small:network", "small.th", (3, 8, 8))),
        ("tflite-float32", ("small:network", "small.th", (3, 8, 8))),
        ("onnx-float32", ("small.pt2",)),
    ],
)
def test_it_answers_as_the_network_does(
    start: Start, models: Path, tmp_path: Path, made: Callable[[str], None], recipe: str, arguments: tuple[str, ...]
) -> None:
    if recipe.startswith("tflite"):
        made("litert-torch")
    routes = start(*arguments)
    described = routes.describe()
    assert (described.inputs[0].shape, described.outputs[0].shape) == (SHAPE, [1, 5])
    reply = export(routes, recipe, SHAPE, tmp_path)
    assert isinstance(reply, Exported), reply
    assert reply.multiply_adds == 4 * 36 * 27 + 144 * 5
    with np.load(models / "answers.npz") as arrays:
        # Of a softmax; sums in another order.
        assert np.abs(ANSWERS[recipe](tmp_path / "out", arrays["x"]) - arrays["y"]).max() < 1e-5


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("small:network", "whole.th", (3, 8, 8)), "found a pickle that would run code"),
        (("small:network", "nan.th", (3, 8, 8)), "found NaN in 0.bias"),
        (("small:network", "other.th", (3, 8, 8)), "expected the state of small:network"),
        (("small:network", "small.py", (3, 8, 8)), "small.py: expected a PyTorch state dict"),
        (("small:network", "small.th", (3, 9, 9)), "expected a network that takes an input of [1, 3, 9, 9]"),
        (("small:net", "small.th", (3, 8, 8)), "has no attribute 'net'"),
        (("smal:network", "small.th", (3, 8, 8)), "No module named 'smal'"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(start: Start, arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(InputError) as caught:
        start(*arguments).describe()
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_code_without_its_state_or_shape() -> None:
    with pytest.raises(InputError) as caught:
        find(Path(), SourceTable("", "small:network"))
    assert [problem.where for problem in caught.value.problems] == ["model.state", "model.input_shape"]


def test_a_state_dict_as_the_source_is_told_what_it_lacks(models: Path) -> None:
    assert base.detect(models / "small.pt2") == "pt2"
    with pytest.raises(InputError) as caught:
        base.detect(models / "small.th")
    assert 'found a PyTorch file; a state dict needs its network: source = "module:function"' in str(caught.value)


@pytest.mark.real_data
@pytest.mark.skipif(not DATA.is_dir(), reason="the real models and data are not beside the checkout")
def test_resnet20_on_cifar10(tmp_path: Path, godwit: Godwit, made: Callable[[str], None]) -> None:
    for name in ("torch", "litert-torch"):
        made(name)
    shutil.copy(Path(__file__).with_name("resnet_cifar.py"), tmp_path)
    state = DATA / "cifar10" / "models" / "resnet20_akamaster.th"
    project = tiny_project(
        tmp_path,
        model={"source": "resnet_cifar:resnet20", "state": str(state), "input_shape": [3, 32, 32]},
        input={**IMAGENET, "colour": "rgb"},
        data=IMAGES,
        goal={"max_drop_points": 1.0},
        targets={"profiles": ["linux-x86_64"]},
    )
    code, out, err = godwit("convert", project, "--json")
    assert code == 0, err
    result = report(out)
    assert {each.recipe: each.reason for each in result.candidates if each.outcome == "failed"} == {}
    int8 = result.candidate("tflite-int8")
    assert int8.size_bytes <= 309_000, "the smallest that other tools make of it"
    assert int8.left_nodes == [], "XNNPACK takes all of it, the shortcuts without parameters too"
