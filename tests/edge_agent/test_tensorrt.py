"""TensorRT's engine cache and announcements. The provider itself is not here: ONNX Runtime's own stands in."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest

from edge_agent.runtimes import tensorrt
from edge_agent.runtimes.base import Opening
from edge_agent.runtimes.onnx import OnnxRuntime, Providers
from tests.edge_agent.support import MODELS


class Sessions:
    """Opens sessions on the CPU, and writes an engine as TensorRT does; keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def __call__(self, providers: Providers) -> OnnxRuntime:
        (_, options), second = providers
        assert second[0] == "CUDAExecutionProvider"
        self.asked.append(options)
        if "trt_engine_cache_path" in options:
            (Path(options["trt_engine_cache_path"]) / "model_sm87.engine").touch()
        settings = onnxruntime.SessionOptions()
        settings.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        own = ["CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(str(MODELS / "tiny-float32.onnx"), settings, providers=own)
        return OnnxRuntime(session, "1", own[0])


def test_an_engine_is_announced_once_and_kept(tmp_path: Path) -> None:
    sessions, told = Sessions(), []
    opening = Opening(cache=tmp_path, announce=lambda text, progress: told.append((text, progress)))
    tensorrt.opened("m.onnx", opening, sessions)
    assert [progress for _, progress in told] == [0.0, 1.0]
    assert "ten minutes" in told[0][0]
    tensorrt.opened("m.onnx", opening, sessions)
    assert len(told) == 2, "the engine is there, so nothing takes long"
    folder = Path(sessions.asked[0]["trt_engine_cache_path"])
    assert folder == tmp_path / tensorrt.engine_folder(tensorrt.tensorrt_version(), tensorrt.gpu_name())


@pytest.mark.parametrize(
    ("precision", "flags"),
    [("float32", ("False", "False")), ("float16", ("True", "False")), ("int8", ("False", "True"))],
)
def test_it_is_told_the_precision(precision: str, flags: tuple[str, str]) -> None:
    sessions = Sessions()
    tensorrt.opened("m.onnx", Opening(precision=precision), sessions)  # type: ignore[arg-type]  # one of three words
    (asked,) = sessions.asked
    assert (asked["trt_fp16_enable"], asked["trt_int8_enable"]) == flags
    assert "trt_engine_cache_path" not in asked


def test_another_version_or_gpu_has_another_folder() -> None:
    names = {
        tensorrt.engine_folder(version, gpu)
        for version in ("100300", "101300")
        for gpu in ("Orin", "NVIDIA GeForce RTX 4090", "../../etc")
    }
    assert len(names) == 6
    assert not any("/" in name for name in names)
    assert tensorrt.engine_folder("100300", "Orin (nvgpu)") == "tensorrt-100300-orin-nvgpu"
