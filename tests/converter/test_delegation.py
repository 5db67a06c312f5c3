"""What a profile cannot take is not built, and a fallback that it does not list is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import flatbuffers
import msgspec
import pytest

from converter import choose, delegation, gpu
from converter.recipes import BY_NAME
from firmware_profiles import profile as profiles
from firmware_profiles.profile import RuntimeRow
from firmware_profiles.wire import RuntimeInUse
from tests.converter.conftest import MODELS, ROOT, Godwit, report, tiny_project
from tests.converter.test_choose import LITERT, candidates, changed, cost

PHONE, PI5 = profiles.load("android-phone"), profiles.load("raspberry-pi-5")
TFLITE = MODELS / "tiny-float32.tflite"


def ran(delegate: Any, taken: int) -> RuntimeInUse:
    return RuntimeInUse("litert", delegate, "2", taken, 9)


@pytest.mark.parametrize(
    ("used", "left", "told"),
    [
        (ran("xnnpack", 8), ["SOFTMAX"], ""),
        (ran("xnnpack", 9), [], ""),
        (ran("xnnpack", 7), ["CONV_2D", "SOFTMAX"], "xnnpack takes 7 of 9 nodes and leaves CONV_2D"),
        (ran("none", 0), [], "XNNPACK takes none of it"),
    ],
)
def test_a_fallback_that_the_profile_does_not_list_is_refused(used: RuntimeInUse, left: list[str], told: str) -> None:
    those = changed(candidates(), "tflite-int8", ran_on=used, left_nodes=left)
    (candidate,) = (each for each in those if each.recipe == "tflite-int8")
    found = delegation.unlisted_fallback(PHONE, candidate, None)
    assert told in found
    assert bool(told) == bool(found)
    assert delegation.unlisted_fallback(PI5, candidate, None) == ""  # which lists litert/none
    verdicts = choose.choose(PHONE, those, 1.0, "latency", measured_on="")
    assert next(each for each in verdicts if each.key == "tflite-int8").chosen is not bool(told)


def test_on_a_device_the_nodes_that_it_counted_decide() -> None:
    there = msgspec.structs.replace(
        cost(LITERT, 1.0), measured_on="phone", nodes=9, delegated_nodes=8, left_nodes=["CONV_2D"]
    )
    those = changed(candidates(), "tflite-int8", ran_on=ran("xnnpack", 9), left_nodes=[], costs=[there])
    verdicts = choose.choose(PHONE, those, 1.0, "latency", measured_on="phone")
    reason = next(each.reason for each in verdicts if each.key == "tflite-int8")
    assert reason == "xnnpack takes 8 of 9 nodes and leaves CONV_2D, and the profile lists no litert/none"


def test_asymmetric_int8_is_not_for_tensorrt_alone() -> None:
    jetson = profiles.load("jetson-orin-nano")
    assert delegation.cannot_take(jetson, BY_NAME["onnx-int8"]) == ""  # it lists onnx/cpu too
    alone = msgspec.structs.replace(jetson, runtimes=jetson.runtimes[:1])
    assert delegation.cannot_take(alone, BY_NAME["onnx-int8"]) == "onnx/tensorrt takes symmetric activations only"
    assert delegation.cannot_take(alone, BY_NAME["onnx-float32"]) == ""


def test_what_no_profile_can_take_is_not_built(tmp_path: Path, godwit: Godwit) -> None:
    text = (ROOT / "firmware_profiles" / "data" / "jetson-orin-nano.toml").read_text()
    head, first, *_ = text.split("[[runtimes]]")
    limits = text[text.index("[limits]") :]
    head = head.replace('formats = ["onnx", "tflite"]', 'formats = ["onnx"]')
    head = re.sub(r"(?ms)^recipes = \[.*?\]", 'recipes = ["onnx-int8", "onnx-float32"]', head)
    (tmp_path / "alone.toml").write_text(f"{head}\n[[runtimes]]{first}\n{limits}")
    project = tiny_project(tmp_path, targets={"profiles": ["linux-x86_64", "alone.toml"]})
    code, out, _ = godwit("convert", project, "--dry-run")
    assert code == 0
    assert "decline  onnx-int8: onnx/tensorrt takes symmetric activations only" in out
    project = tiny_project(tmp_path, targets={"profiles": ["alone.toml"]})
    _, out, err = godwit("convert", project, "--json")
    assert "onnx-float32" in err
    found = report(out).candidate("onnx-int8")
    assert (found.outcome, found.reason) == ("declined", "onnx/tensorrt takes symmetric activations only")


def test_the_evaluator_counts_the_nodes(tmp_path: Path, godwit: Godwit) -> None:
    source = MODELS / "tiny-int8.tflite"
    code, out, err = godwit("convert", tiny_project(tmp_path, source), "--recipe", "tflite-int8", "--json")
    assert code == 0, err
    found = report(out).candidate("tflite-int8")
    assert found.ran_on is not None
    assert (found.ran_on.delegated_nodes, found.ran_on.nodes) == (4, 5)
    assert found.left_nodes == ["SOFTMAX"]


def with_other_softmax(path: Path) -> Path:
    """The small model with LOG_SOFTMAX at its end, which the GPU delegate does not take, for SOFTMAX."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(TFLITE.read_bytes(), 0)
    index = model.subgraphs[0].operators[-1].opcodeIndex
    model.operatorCodes[index].builtinCode = schema.BuiltinOperator.LOG_SOFTMAX
    model.operatorCodes[index].deprecatedBuiltinCode = schema.BuiltinOperator.LOG_SOFTMAX
    model.subgraphs[0].operators[-1].builtinOptionsType = schema.BuiltinOptions.LogSoftmaxOptions
    model.subgraphs[0].operators[-1].builtinOptions = schema.LogSoftmaxOptionsT()
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    return path


def test_what_the_gpu_does_not_take_is_named_on_its_row(tmp_path: Path, godwit: Godwit) -> None:
    assert gpu.not_taken(TFLITE) == []
    source = with_other_softmax(tmp_path / "other.tflite")
    project = tiny_project(tmp_path, source, targets={"profiles": ["android-phone"]}, goal={"max_drop_points": 100})
    code, out, err = godwit("convert", project, "--recipe", "tflite-float32", "--json")
    assert code == 0, err
    (profile,) = report(out).profiles
    assert [(claim.runtime, claim.delegate) for claim in profile.claims] == [("litert", "xnnpack")]
    (left,) = profile.left_out
    assert (left.delegate, left.reason) == ("gpu", "the GPU delegate does not take LOG_SOFTMAX")


def test_a_gpu_alone_refuses_the_model_and_a_gpu_first_gives_its_place_up() -> None:
    cpu, only_gpu = PHONE.runtimes[0], PHONE.runtimes[1]
    those = changed(candidates(), "tflite-int8", not_on_gpu=["WHILE"])
    those = [each for each in those if each.recipe in ("tflite-int8", "tflite-float16")]

    def verdict(*rows: RuntimeRow) -> choose.Verdict:
        profile = msgspec.structs.replace(PHONE, runtimes=list(rows))
        verdicts = choose.choose(profile, those, 1.0, "latency", measured_on="")
        return next(each for each in verdicts if each.key == "tflite-int8")

    assert verdict(only_gpu).reason == "the GPU delegate does not take WHILE"
    assert verdict(only_gpu, cpu).reason == "runs on litert/xnnpack, which the profile lists after litert/gpu"
    assert verdict(cpu, only_gpu).chosen
