"""An ONNX Runtime session that computes on any CPU what the agent's runtime computes."""

from __future__ import annotations

from typing import Any

import onnxruntime

_ERRORS_ONLY = 3


def session(model: str | bytes) -> Any:
    """The model, in a file or as bytes, on the CPU.

    As in `edge_agent.runtimes.onnx`, products of uint8 by int8 do not saturate where the CPU has no VNNI.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
