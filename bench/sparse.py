"""`python -m bench.sparse`: does XNNPACK compute a network of 1 × 1 convolutions with 75 % zeros by its sparse kernels?

The network is VWW's MobileNet of ../shared/data, with as much padding on each side, as our students have, and its
smallest weights zero; not trained, since what counts is what runs. The kind of kernel of each node comes from LiteRT's
own profiler, by its C API: Python's has none. Dense and sparse run in turn in one process; once as this machine is, and
once by qemu as an x86-64 without AVX, since XNNPACK declines with it. Writes the section of bench/results.md.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converter.passes import sparse_tflite, symmetric
from converter.passes.sharing import packed
from converter.passes.slim_tflite import proven
from converter.passes.tflite_graph import code, read, values

ROOT = Path(__file__).parent.parent
MODEL = ROOT.parent / "shared" / "data" / "conversion_only" / "vww_96_float.tflite"
ZEROS = 0.75
_EMULATED = ("qemu-x86_64-static", "-cpu", "Nehalem")
_HEAD = "## Sparse kernels"
_RUNS = {"here": 200, "emulated": 5}
_PROFILED = 1
_CPU = 1
_KEEP = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda payload: None)


def main() -> None:
    """Measure, and replace the section."""
    with tempfile.TemporaryDirectory() as folder:
        files = _made(Path(folder))
        found = {"here": _run([], files, "here")}
        if shutil.which(_EMULATED[0]):
            found["emulated"] = _run([*_EMULATED], files, "emulated")
    section = "\n".join([_HEAD, "", *_lines(found), ""])
    path = ROOT / "bench" / "results.md"
    page = re.sub(rf"(?ms)^{_HEAD}$.*?(?=^## |\Z)", "", path.read_text(encoding="utf-8")).rstrip("\n")
    before, mark, after = page.partition("\n## Compression by training")
    path.write_text(f"{before.rstrip()}\n\n{section}{mark}{after}".rstrip("\n") + "\n", encoding="utf-8")
    print(section)


def _made(folder: Path) -> dict[str, Path]:
    """dense: with the zeros as numbers; sparse: as the recipe stores them."""
    model = read(MODEL.read_bytes())
    graph = model.subgraphs[0]
    for operator in list(graph.operators):
        if getattr(operator.builtinOptions, "strideH", 1) == 2:
            symmetric.padded(model, graph, operator, int(operator.inputs[0]), 1)
        if code(model, operator) == schema.BuiltinOperator.CONV_2D:
            kernel = values(model, graph, int(operator.inputs[1]), "<f4")
            assert kernel is not None
            if kernel.shape[1:3] == (1, 1):
                kept = np.where(np.abs(kernel) > np.quantile(np.abs(kernel), ZEROS), kernel, 0)
                buffer = model.buffers[graph.tensors[operator.inputs[1]].buffer]
                buffer.data = np.frombuffer(kept.astype("<f4").tobytes(), np.uint8)
    items = np.random.default_rng(0).random((16, 96, 96, 3), np.float32)
    dense = proven(packed(model), items)
    made = sparse_tflite.sparse(dense, items)
    print(*made.said, sep="\n")
    files = {"dense": folder / "dense.tflite", "sparse": folder / "sparse.tflite"}
    files["dense"].write_bytes(dense)
    files["sparse"].write_bytes(proven(made.content, items))
    return files


def _run(emulator: list[str], files: dict[str, Path], where: str) -> dict[str, Any]:
    """In a process of its own, for the emulator's sake."""
    line = [*emulator, sys.executable, "-m", "bench.sparse", where, *map(str, files.values())]
    told = subprocess.run(line, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout
    sizes = {name: path.stat().st_size for name, path in files.items()}
    return {"sizes": sizes, **json.loads(told.strip().splitlines()[-1])}


def _child(where: str, files: list[str]) -> None:
    """Print kinds of kernels, and the ratio of sparse to dense."""
    from ai_edge_litert.interpreter import Interpreter

    kinds = [_kernels(Path(file)) for file in files]
    runs = [Interpreter(file, num_threads=1) for file in files]
    for run in runs:
        run.allocate_tensors()
        run.invoke()
    times: list[list[float]] = [[], []]
    for _ in range(_RUNS[where]):
        for run, told in zip(runs, times, strict=True):
            began = time.perf_counter()
            run.invoke()
            told.append(time.perf_counter() - began)
    dense, sparse = map(statistics.median, times)
    print(json.dumps({"kinds": kinds, "ratio": sparse / dense, "dense_ms": 1e3 * dense}), flush=True)
    os._exit(0)  # without taking LiteRT's handles apart


def _kernels(file: Path) -> dict[str, int]:
    """Kind of kernel → how many nodes it computed, by XNNPACK's own names for them."""
    spec = importlib.util.find_spec("ai_edge_litert")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    lib = ctypes.CDLL(str(Path(spec.submodule_search_locations[0]) / "libLiteRt.so"))
    environment, model, options, compiled, profiler = (ctypes.c_void_p() for _ in range(5))
    _ok(lib.LiteRtCreateEnvironment(0, None, ctypes.byref(environment)))
    _ok(lib.LiteRtCreateModelFromFile(environment, str(file).encode(), ctypes.byref(model)))
    _ok(lib.LiteRtCreateOptions(ctypes.byref(options)))
    _ok(lib.LiteRtSetOptionsHardwareAccelerators(options, _CPU))
    kept = [
        _option(lib, options, name, text)
        for name, text in (("runtime_options_string", "enable_profiling = true\n"), ("xnnpack", "num_threads = 1\n"))
    ]
    _ok(lib.LiteRtCreateCompiledModel(environment, model, options, ctypes.byref(compiled)))
    assert kept
    _ok(lib.LiteRtCompiledModelGetProfiler(compiled, ctypes.byref(profiler)))
    ends = [
        _buffer(lib, environment, compiled, lib.LiteRtGetCompiledModelInputBufferRequirements, (1, 96, 96, 3)),
        _buffer(lib, environment, compiled, lib.LiteRtGetCompiledModelOutputBufferRequirements, (1, 2)),
    ]
    _ok(lib.LiteRtStartProfiler(profiler))
    one, none = ctypes.c_size_t(1), ctypes.c_size_t(0)
    for _ in range(_PROFILED):
        _ok(lib.LiteRtRunCompiledModel(compiled, none, one, ctypes.byref(ends[0]), one, ctypes.byref(ends[1])))
    _ok(lib.LiteRtStopProfiler(profiler))
    summary = ctypes.c_char_p()
    _ok(lib.LiteRtGetProfileSummary(profiler, compiled, ctypes.byref(summary)))
    assert summary.value is not None
    text = summary.value.decode().partition("Summary by node type")[2].partition("Delegate Statistics")[0]
    return {name: int(count) for name, count in re.findall(r"Delegate/(.+?)\s{2,}(\d+)\s", text)}


class _Layout(ctypes.Structure):
    _fields_ = (("rank", ctypes.c_uint32), ("sizes", ctypes.c_int32 * 8), ("strides", ctypes.c_uint32 * 8))


class _Type(ctypes.Structure):
    _fields_ = (("element", ctypes.c_int32), ("layout", _Layout))


def _buffer(lib: Any, environment: Any, compiled: Any, needed: Any, shape: tuple[int, ...]) -> Any:
    requirements, buffer, kind = ctypes.c_void_p(), ctypes.c_void_p(), _Type(element=1)
    kind.layout.rank = len(shape)
    for place, size in enumerate(shape):
        kind.layout.sizes[place] = size
    _ok(needed(compiled, ctypes.c_size_t(0), ctypes.c_size_t(0), ctypes.byref(requirements)))
    _ok(
        lib.LiteRtCreateManagedTensorBufferFromRequirements(
            environment, ctypes.byref(kind), requirements, ctypes.byref(buffer)
        )
    )
    return buffer


def _option(lib: Any, options: Any, name: str, text: str) -> Any:
    payload, opaque = ctypes.create_string_buffer(text.encode()), ctypes.c_void_p()
    _ok(lib.LiteRtCreateOpaqueOptions(name.encode(), payload, _KEEP, ctypes.byref(opaque)))
    _ok(lib.LiteRtAddOpaqueOptions(options, opaque))
    return payload


def _ok(status: int) -> None:
    if status:
        raise SystemExit(f"LiteRT's C API: status {status}")


def _lines(found: dict[str, dict[str, Any]]) -> list[str]:
    lines = [
        "VWW's MobileNet (96 × 96, 0.25 wide, even padding), 75 % of its 1 × 1 weights zero, float32, LiteRT, XNNPACK,"
        " one thread. Sparse and dense ran in turn in one process; only the ratio counts. Nodes by LiteRT's profiler.",
        "",
        "| on | file KB, dense → sparse | nodes of 1 × 1, dense | sparse | × dense |",
        "|---|---|---|---|---|",
    ]
    names = {"here": "this machine, x86-64 with AVX", "emulated": "x86-64 without AVX, emulated by qemu"}
    for where, one in found.items():
        sizes = " → ".join(f"{one['sizes'][name] / 1e3:.0f}" for name in ("dense", "sparse"))
        dense, sparse = (_told(kinds) for kinds in one["kinds"])
        lines.append(f"| {names[where]} | {sizes} | {dense} | {sparse} | {one['ratio']:.2f} |")
    return [
        *lines,
        "",
        "XNNPACK declines on x86 with AVX by a rule of its own (src/xnnpack/hardware-config.h,"
        ' xnn_is_chw_compatible_config: "with AVX ISA dense inference is expected to be faster than sparse"); without'
        " AVX, and on every ARM, it goes over to its sparse kernels, which the second row shows. Emulated time says"
        " which executes less, not how long a device takes: no ARM was there to measure on.",
    ]


def _told(kinds: dict[str, int]) -> str:
    return ", ".join(
        f"{count} {label}"
        for label in ("SPMM", "GEMM")
        if (count := sum(number for name, number in kinds.items() if name.endswith(label)))
    )


if __name__ == "__main__":
    if sys.argv[1:]:
        _child(sys.argv[1], sys.argv[2:])
    main()
