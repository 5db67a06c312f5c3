"""Latency of model files in one process, in turn: `python -m bench.peers.in_turn SHAPE RUNS FILE…` prints JSON.

SHAPE is that of one item, as in 3,32,32. Answers {file: p50 in µs} of the inference alone: of a model that takes
2 µs, handing over the input from Python takes another. One process and one thread, so that what slows the
machine slows all alike; untimed inferences come before each timed one, so that a model finds its own weights in the
cache, and not its neighbour's.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

from edge_agent.runtimes.quantized import of_tensor

_WARM_UP_ROUNDS = 20
_SETTLE_S = 1e-4


def inference(file: str, shape: list[int]) -> Callable[[], object]:
    """The model with its input in place, on one thread; LiteRT with XNNPACK, or onnxruntime.

    Of a model that takes int8, turning numbers into int8 is not in its time.
    """
    tensor = np.full([1, *shape], 0.5, np.float32)
    if file.endswith(".onnx"):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: tensor}
        return lambda: session.run(None, feed)
    interpreter = Interpreter(file, num_threads=1)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    interpreter.set_tensor(entry["index"], of_tensor(entry).quantize(tensor))
    invoke: Callable[[], object] = interpreter.invoke
    return invoke


def main() -> None:
    """Every second round goes backwards."""
    shape, runs, *files = sys.argv[1:]
    inferences = [inference(file, [int(size) for size in shape.split(",")]) for file in files]
    times_s: list[list[float]] = [[] for _ in files]
    for round_ in range(-_WARM_UP_ROUNDS, int(runs)):
        for place in range(len(files))[:: 1 if round_ % 2 else -1]:
            until_s = time.perf_counter() + _SETTLE_S
            while True:
                inferences[place]()
                if time.perf_counter() >= until_s:
                    break
            began_s = time.perf_counter()
            inferences[place]()
            if round_ >= 0:
                times_s[place].append(time.perf_counter() - began_s)
    print(json.dumps({file: statistics.median(each) * 1e6 for file, each in zip(files, times_s, strict=True)}))


if __name__ == "__main__":
    main()
