"""The limit: the model alone in the bare runtime. `bare.py MODEL TENSORS.npz` prints JSON.

`first_s` is the time of day of the first output; `invoke_us` a whole set_tensor + invoke +
get_tensor, median over all inputs, and `mean_us` their mean; `cpu_s` what it used in all.
"""

import json
import statistics
import sys
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main() -> None:
    """Run every input once."""
    inputs = np.load(sys.argv[2])["t0"]
    interpreter = Interpreter(sys.argv[1], num_threads=1)
    interpreter.allocate_tensors()
    into = interpreter.get_input_details()[0]["index"]
    out = interpreter.get_output_details()[0]["index"]
    times_s = []
    first_s = 0.0
    for tensor in inputs:
        began_s = time.perf_counter()
        interpreter.set_tensor(into, tensor[np.newaxis])
        interpreter.invoke()
        interpreter.get_tensor(out)
        times_s.append(time.perf_counter() - began_s)
        first_s = first_s or time.time()
    invoke_us = statistics.median(times_s) * 1e6
    mean_us = statistics.mean(times_s) * 1e6
    print(json.dumps({"first_s": first_s, "invoke_us": invoke_us, "mean_us": mean_us, "cpu_s": time.process_time()}))


if __name__ == "__main__":
    main()
