"""`python facts_of_torch_training.py FOLDER`, in the toolchain litert-torch: what the training of a small net does.

FOLDER has training.npz and digits.th. JSON on the last line. One process: PyTorch is slow to import.
"""

from __future__ import annotations

import contextlib
import copy
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from digits_net import network as digits

from converter.passes import prune
from converter.pytorch import channels, objective, qat, weights
from converter.pytorch.run import run
from converter.training.protocol import Train, Trained
from converter.training.settings import Settings
from firmware_profiles.errors import InputError

QUICK = Settings(epochs=2, batch=64, seed=3)
_SETTINGS = {"seed", "channels_by", "channels_ratios", "hints"}


class _PowerCutError(Exception):
    pass


def main(folder: Path) -> None:
    """Print the facts."""
    with np.load(folder / "training.npz") as arrays:
        x, y = arrays["x"], arrays["y"]
    np.savez(folder / "tensors.npz", t0=x, y=y)
    model = digits()
    model.load_state_dict(torch.load(folder / "digits.th", weights_only=True))
    model.eval()
    whole = _run(folder, "prune50+distil+finetune-float32")
    facts = {
        "channels": {criterion: _thinned(model, criterion) for criterion in ("l1", "l2", "norm", "taylor")},
        "sensitive": _told_of(folder, "channels50+finetune-float32", channels_ratios="sensitivity"),
        "by_size": _told_of(folder, "channels50+finetune-float32", channels_by="l1"),
        "hinted": [_told_of(folder, "distil-float32", hints=hints)["told"][0] for hints in ([], ["second"])],
        "taught": [
            _run(folder, "distil-float32", teacher=teacher)["weights"] for teacher in ("", _exported(model, folder))
        ],
        "padded": channels.thinned(_Padded().eval(), torch.rand(1, 1, 8, 8), 0.5, "l2"),
        "bad": {
            "empty": _told(lambda: channels.thinned(copy.deepcopy(model), torch.rand(1, 1, 8, 8), 0.95, "l2")),
            "fixed": _told(lambda: channels.thinned(_Fixed().eval(), torch.rand(1, 1, 8, 8), 0.5, "l2")),
            "hint": _told(lambda: _run(folder, "channels50+distil-float32", hints=["second", "no"])),
            "batch": _told(lambda: _run(folder, "qat-int8", code="odd_nets:one_at_a_time")),
            "labels": _told(lambda: _run(folder, "qat-int8", data=_with(folder, y=y + 5))),
            "shape": _told(lambda: _run(folder, "qat-int8", data=_with(folder, t0=x[:, :, :4]))),
            "teacher": _told(lambda: _run(folder, "distil-float32", teacher=_exported(model, folder, batches=False))),
        },
        "form": [objective.form(each) for each in _outputs()],
        "zeros": whole["zeros"],
        "again": whole["weights"] == _run(folder, "prune50+distil+finetune-float32")["weights"],
        "other_seed": whole["weights"] == _run(folder, "prune50+distil+finetune-float32", seed=4)["weights"],
        "after_power_cut": _cut_and_resumed(folder, whole["weights"]),
        "told": whole["told"],
        "qat": _qat(model, torch.from_numpy(x)),
    }
    print(json.dumps(facts))


def _run(
    folder: Path, recipe: str, tell: Callable[[str], None] = print, checkpoints: str = "", **changes: Any
) -> dict[str, Any]:
    told: list[str] = []

    def heard(text: str) -> None:
        told.append(text)
        tell(text)

    request = Train(
        model=str(folder / "digits.th"),
        format="torch",
        recipe=recipe,
        task="classification",
        data=changes.get("data", str(folder / "tensors.npz")),
        teacher=changes.get("teacher", ""),
        target=str(folder / "out"),
        checkpoints=checkpoints or tempfile.mkdtemp(dir=folder),
        key="one",
        settings=msgspec.structs.replace(QUICK, **{key: changes[key] for key in _SETTINGS & changes.keys()}),
        code=changes.get("code", "digits_net:network"),
        folder=str(folder),
        shape=[1, 1, 8, 8],
    )
    found: Trained = run(request, heard)
    state = torch.export.load(found.file).state_dict
    sums = [float(each.double().sum()) for each in state.values()]
    return {"weights": sums, "zeros": found.zeros, "told": told, "said": found.said}


def _exported(model: torch.nn.Module, folder: Path, *, batches: bool = True) -> str:
    """A teacher as people bring one."""
    path = str(folder / "teacher.pt2")
    dynamic = ({0: torch.export.Dim.DYNAMIC},) if batches else None
    torch.export.save(torch.export.export(model, (torch.rand(1 + batches, 1, 8, 8),), dynamic_shapes=dynamic), path)
    return path


def _told_of(folder: Path, recipe: str, **settings: Any) -> dict[str, Any]:
    found = _run(folder, recipe, **settings)
    return {"said": found["said"], "told": found["told"]}


def _cut_and_resumed(folder: Path, expected: list[float]) -> bool:
    """The process is gone after the first epoch; the next one goes on from its checkpoint."""

    def cut(text: str) -> None:
        if "epoch 1 of" in text:
            raise _PowerCutError

    recipe, checkpoints = "prune50+distil+finetune-float32", tempfile.mkdtemp(dir=folder)
    with contextlib.suppress(_PowerCutError):
        _run(folder, recipe, cut, checkpoints)
    found = _run(folder, recipe, checkpoints=checkpoints)
    assert "epoch 2 of" in found["told"][0], found["told"]
    return bool(found["weights"] == expected)


def _thinned(model: Any, criterion: Any) -> dict[str, Any]:
    """Half of the channels of each group are made dead first: taking them away then changes nothing."""
    dead, x = copy.deepcopy(model), torch.rand(5, 1, 8, 8)
    with torch.no_grad():
        for name in ("first", "inner", "second", "left", "right", "hidden"):
            for each in getattr(dead, name).parameters():
                each[len(each) // 2 :] = 0
        for name in ("first_norm", "inner_norm", "second_norm"):
            for each in getattr(dead, name).parameters():
                each[len(each) // 2 :] = 0
        for each in dead.depthwise_norm.parameters():  # half of the left side, half of the right
            each[4:8] = 0
            each[12:] = 0
    before = dead(x)
    before.log().sum().backward()
    said = channels.thinned(dead, x[:1], 0.5, criterion)
    counts = [sum(each.numel() for each in one.parameters()) for one in (model, dead)]
    return {"difference": float((dead(x) - before).abs().max()), "said": said, "weights": counts}


def _qat(model: Any, x: torch.Tensor) -> dict[str, Any]:
    """The exported file beside the simulation, on all items, with LiteRT's own kernels."""
    layers = weights.names(model)
    rule = prune.pruning_of(weights.kernels(model, layers), 50)
    rule.after_step(1.0)
    simulated = qat.prepared(model, layers, x[:200])
    with tempfile.TemporaryDirectory() as folder:
        content = Path(qat.write(simulated.model, x[:1], f"{folder}/out", x[:100].numpy())).read_bytes()
    simulated.model.eval()
    with torch.no_grad():
        told = simulated.model(x).numpy()
    found = _answers(content, x.numpy())
    scales = {np.float32(each.scale[0]) for each in simulated.model.ranges()}
    tensors = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0].tensors
    written = {np.float32(each.quantization.scale[0]) for each in tensors if _has_scale(each)}
    kernels = weights.kernels(simulated.model.graph_module, layers)
    return {
        "same": float((told.argmax(1) == found.argmax(1)).mean()),
        "steps": float(np.abs(_logits(told) - _logits(found)).max() / _last_step(simulated.model)),
        "missing": [float(each) for each in scales - written],
        "ranges": len(scales),
        "zeros": prune.zeros(kernels),
        "said": simulated.said,
    }


def _logits(probabilities: Any) -> Any:
    """Up to a constant, which the largest one's 0 takes away."""
    logits = np.log(np.maximum(probabilities, 1e-30))
    return logits - logits.max(1, keepdims=True)


def _last_step(model: Any) -> float:
    """Of the logits, from which the softmax goes on in float."""
    return float(list(model.ranges())[-1].scale[0])


def _has_scale(tensor: Any) -> bool:
    return tensor.quantization is not None and tensor.quantization.scale is not None


def _answers(content: bytes, items: Any) -> Any:
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for item in items:
        interpreter.set_tensor(source["index"], item[None])
        interpreter.invoke()
        found.append(interpreter.get_tensor(target["index"])[0].copy())
    return np.array(found)


def _outputs() -> list[torch.Tensor]:
    logits = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    return [logits, logits.softmax(-1), logits.log_softmax(-1), logits[:, :1].sigmoid(), logits[:, :1]]


def _with(folder: Path, **changes: Any) -> str:
    with np.load(folder / "tensors.npz") as arrays:
        np.savez(folder / "changed.npz", **{**arrays, **changes})
    return str(folder / "changed.npz")


def _told(call: Any) -> list[str]:
    try:
        call()
    except InputError as error:
        return [str(problem) for problem in error.problems]
    return []


class _Padded(torch.nn.Module):
    """A shortcut without parameters: zeros beside its channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.wide = torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.Conv2d(8, 16, 3, padding=1)
        self.free, self.last = torch.nn.Conv2d(16, 16, 3, padding=1), torch.nn.Conv2d(16, 4, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x).relu()
        x = self.wide(x) + torch.nn.functional.pad(x, (0, 0, 0, 0, 4, 4))
        return self.last(self.free(x).relu()).flatten(1)


class _Fixed(torch.nn.Module):
    """Its code names a size."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = torch.nn.Conv2d(1, 8, 3), torch.nn.Linear(8 * 36, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x).relu()
        return self.last(x.reshape(-1, 8, 36).flatten(1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
