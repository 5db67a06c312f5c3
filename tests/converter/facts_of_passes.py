"""`python -m tests.converter.facts_of_passes`: what each training pass does to a small net, as JSON on the last line.

One process for all of it: TensorFlow takes seconds to import and would stay in the tests' process.
"""

from __future__ import annotations

import json
import tempfile
from typing import Any

import keras
import numpy as np
from ai_edge_litert.schema_py_generated import BuiltinOperator as Operator

from converter.formats.keras import of_model
from converter.passes import channels, cluster, distil, fold_keras, prune, qat, qat_export
from converter.passes.finetune import finetune
from converter.passes.keras_graph import copied
from converter.passes.keras_kernels import kernel
from converter.passes.tflite_graph import code, read, values
from converter.training import data, objective, students
from converter.training.room import Room
from converter.training.settings import Settings
from firmware_profiles.errors import InputError
from tests.converter import small_nets

QUICK = Settings(epochs=2, batch=32, seed=3)


def main() -> None:
    """Print the facts."""
    ours, others = small_nets.digits()
    model = small_nets.trained(ours)
    split = data.split(ours, QUICK)
    facts = {
        "dense": _right(model, others),
        "fold": _fold(model, others),
        "channels": _channels(model, others),
        "refit": _refit(model, split.train.x, others),
        "channels_bad": _told(lambda: _thinned(model, {"left": 0.95})),
        "prune": _prune(model, split),
        "prune_bad": _told(lambda: prune.pruning(copied(model), 99.9, "global")),
        "cluster": _cluster(model, split),
        "qat": _qat(model, split, others),
        "qat_bad": _told(lambda: qat.prepared(_with_gelu(), ours.x[:10])),
        "pooled": _pooled(ours),
        "taught": _taught(model, split),
        "hints": _hints(model, split),
        "students": _students(model, split, others),
        "odd": {name: _told(lambda made=made: copied(made())) for name, made in _ODD.items()},
    }
    print(json.dumps(facts))


def _answers(model: Any, items: Any) -> Any:
    """Called as it is: `predict` would trace a graph for each model."""
    return model(items.x, training=False).numpy()


def _right(model: Any, items: Any) -> float:
    return float((_answers(model, items).argmax(1) == items.y).mean())


def _differ(one: Any, other: Any, items: Any) -> float:
    return float(np.abs(_answers(one, items) - _answers(other, items)).max())


def _told(call: Any) -> list[str]:
    try:
        call()
    except InputError as error:
        return [str(problem) for problem in error.problems]
    return []


def _fold(model: Any, items: Any) -> dict[str, Any]:
    found = fold_keras.folded(model)
    kinds = [type(layer).__name__ for layer in found.model.layers]
    return {
        "difference": _differ(found.model, model, items),
        "left": kinds.count("BatchNormalization"),
        "said": found.said,
    }


def _thinned(model: Any, ratios: Any) -> Any:
    return channels.thinned(model, ratios, channels.importance(model, "l2", data.Items(0, 0), "crossentropy"))


def _refit(model: Any, seen: Any, items: Any) -> dict[str, Any]:
    """How far a layer's answers are from the model's, relative to them, and what is right, without and with it."""
    score = channels.importance(model, "l2")
    found: dict[str, Any] = {}
    for name, part in (("without", None), ("with", seen)):
        smaller = channels.thinned(model, {"inner": 0.5, "hidden": 0.5}, score, part).model
        found[name] = [float(np.abs(_answers(smaller, items) - _answers(model, items)).mean()), _right(smaller, items)]
    whole = channels.thinned(model, {"inner": 0.5}, score, seen).model
    found["others"] = _untouched(whole, model)
    return found


def _untouched(smaller: Any, model: Any) -> list[str]:
    """Layers whose weights are the model's own."""
    return [
        layer.name
        for layer in model.layers
        if layer.weights and all(map(np.array_equal, layer.get_weights(), smaller.get_layer(layer.name).get_weights()))
    ]


def _channels(model: Any, items: Any) -> dict[str, Any]:
    """Half of the channels of each group are made dead first: taking them away then changes nothing."""
    dead = copied(model)
    for layer in dead.layers:
        if layer.name in ("first", "second", "inner", "left", "right", "hidden"):
            layer.set_weights([_first_half(each) for each in layer.get_weights()])
    *norms, last = [layer for layer in dead.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        gamma, beta, *statistics = layer.get_weights()
        layer.set_weights([_first_half(gamma), _first_half(beta), *statistics])
    gamma, beta, *statistics = last.get_weights()  # after the depthwise layer: half of the left side, half of the right
    last.set_weights(
        [np.ravel([_first_half(side) for side in np.split(each, 2)]) for each in (gamma, beta)] + statistics
    )
    return _compared(dead, items)


def _compared(dead: Any, items: Any) -> dict[str, Any]:
    found = _thinned(dead, 0.5)
    return {
        "difference": _differ(found.model, dead, items),
        "said": found.said,
        "weights": [dead.count_params(), found.model.count_params()],
        "plain": sorted({type(layer).__module__.split(".")[0] for layer in found.model.layers}),
        "criteria": {
            name: {k: len(v) for k, v in channels.importance(dead, name, items, "crossentropy").items()}
            for name in ("l1", "l2", "norm", "taylor")
        },
        "inside": channels.inside(dead, 50.0),
        "sensitivity": channels.by_sensitivity(
            dead, 50.0, lambda each: -_right(each, items), channels.importance(dead, "l1", items, "crossentropy")
        ),
    }


def _first_half(weights: Any) -> Any:
    alive = np.arange(weights.shape[-1]) < weights.shape[-1] // 2
    return np.where(alive, weights, 0).astype(np.float32)


def _prune(model: Any, split: Any) -> dict[str, Any]:
    """Zeros grow in a training by one of the rules, and hold in the next; the others only differ in where they are."""
    found: dict[str, Any] = {}
    for scope, percent in (("global", 70), ("layer", 70), ("blocks", 50)):
        student = copied(model)
        rule = prune.pruning(student, percent, scope)
        if scope == "global":
            finetune(student, split, QUICK, objective.plain("crossentropy"), "crossentropy", [rule])
        else:
            rule.after_step(1.0)
        zeros = prune.sparsity(student)
        if scope == "global":
            finetune(student, split, QUICK, objective.plain("crossentropy"), "crossentropy", [prune.held(student)])
        kernels = [kernel(layer).numpy() for layer in student.layers if kernel(layer) is not None]
        found[scope] = {
            "zeros": zeros,
            "after": prune.sparsity(student),
            "layers": [float((each == 0).mean()) for each in kernels],
        }
        if scope == "blocks":
            inner = student.get_layer("inner").kernel.numpy()
            blocks = np.moveaxis(inner, -2, -1).reshape(-1, 4)
            found[scope]["most_in_a_block"] = int((blocks != 0).sum(-1).max())
    return found


def _cluster(model: Any, split: Any) -> dict[str, Any]:
    student = fold_keras.folded(model).model
    finetune(student, split, QUICK, objective.plain("crossentropy"), "crossentropy", [cluster.sharing(student, 8)])
    simulated = qat.prepared(student, split.train.x[:200], by_tensor=True).model
    rules = [cluster.sharing(simulated, 8)]
    finetune(simulated, split, QUICK, objective.plain("crossentropy"), "crossentropy", rules)
    kernels = [kernel(layer).numpy() for layer in student.layers if kernel(layer) is not None]
    shape = [1, *model.inputs[0].shape[1:]]
    return {
        "values": [len(np.unique(each[each != 0])) for each in kernels],
        "float32": _distinct(of_model(student).in_float(shape), "<f4"),
        "int8": _distinct(qat_export.tflite(simulated, model), "<i1"),
    }


def _distinct(content: bytes, dtype: str) -> list[int]:
    """How many values the weights of each layer have in the file, beside 0."""
    model = read(content)
    graph = model.subgraphs[0]
    known = (Operator.CONV_2D, Operator.DEPTHWISE_CONV_2D, Operator.FULLY_CONNECTED)
    layers = [each for each in graph.operators if code(model, each) in known]
    weights = [values(model, graph, int(each.inputs[1]), dtype) for each in layers]
    return [len(np.unique(each[each != 0])) for each in weights]


def _qat(model: Any, split: Any, items: Any) -> dict[str, Any]:
    simulated = qat.prepared(model, split.train.x[:200]).model
    settings = Settings(epochs=2, batch=32, learning_rate=1e-4)
    finetune(simulated, split, settings, objective.plain("crossentropy"), "crossentropy")
    with tempfile.TemporaryDirectory() as folder:
        path = qat_export.write(simulated, model, f"{folder}/model", split.train.x)
        real, scales, name = _run(path, items.x)
    expected = _answers(simulated, items)
    ranges = [float(layer.step) for layer in simulated.layers if hasattr(layer, "step") and hasattr(layer, "low")]
    return {
        "same": float((real.argmax(1) == expected.argmax(1)).mean()),
        "steps": float(np.abs(real - expected).max() * 256),
        "right": float((real.argmax(1) == items.y).mean()),
        "missing": [each for each in ranges if not any(abs(each - scale) < 1e-6 * each for scale in scales)],
        "ranges": len(ranges),
        "input": name,
    }


def _run(path: str, x: Any) -> tuple[Any, list[float], str]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    answers = []
    for item in x:
        interpreter.set_tensor(source["index"], item[None])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(target["index"])[0])
    told = [entry["quantization_parameters"]["scales"] for entry in interpreter.get_tensor_details()]
    return np.array(answers), [float(each[0]) for each in told if len(each)], source["name"]


def _pooled(items: Any) -> dict[str, Any]:
    """A pooling over the whole image, and one over parts of it."""
    image, layers = keras.Input((8, 8, 1)), keras.layers
    x = layers.AveragePooling2D(2, name="parts")(layers.Conv2D(8, 3, padding="same", activation="relu")(image))
    x = layers.Flatten()(layers.AveragePooling2D(4, name="whole")(x))
    model = keras.Model(image, layers.Dense(10, activation="softmax")(x))
    simulated = qat.prepared(model, items.x[:200]).model
    with tempfile.TemporaryDirectory() as folder:
        real = _run(qat_export.write(simulated, model, f"{folder}/model", items.x), items.x[:200])[0]
    return {
        "own": [layer.name for layer in simulated.layers if layer.name in ("parts_range", "whole_range")],
        "steps": float(np.abs(real - simulated.predict(items.x[:200], verbose=0)).max() * 256),
    }


def _taught(model: Any, split: Any) -> dict[str, float]:
    """What int8 simulated learns of the model itself: next to nothing is left, also where nothing is learned from."""
    student = qat.prepared(model, split.train.x[:200]).model
    settings = Settings(epochs=1, batch=32, learning_rate=1e-5, teacher_weight=1.0)
    wanted = distil.distilling(copied(model), student, settings, "crossentropy")
    (point,) = finetune(student, split, settings, wanted, "crossentropy").curve
    return {"loss": point.loss, "held_out": point.held_out_loss}


def _hints(model: Any, split: Any) -> dict[str, Any]:
    student = copied(model)
    wanted = distil.distilling(model, student, QUICK, "crossentropy", ["first"])
    smaller = _thinned(model, 0.5).model
    return {
        "epochs": len(finetune(student, split, QUICK, wanted, "crossentropy").curve),
        "bad": _told(lambda: distil.distilling(model, smaller, QUICK, "crossentropy", ["first"])),
        "teacher": _told(lambda: distil.distilling(_with_gelu(), smaller, QUICK, "crossentropy")),
    }


def _students(model: Any, split: Any, items: Any) -> dict[str, Any]:
    """Each learns a little; the one that is sized fits its room, and is the next larger one's half or more."""
    found: dict[str, Any] = {}
    settings = Settings(epochs=3, batch=32, learning_rate=3e-3, seed=3)
    for name, width in (("mobilenet", 25), ("squeezenet", 100)):
        student = students.made(name, width, model)
        for layer in student.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.9
        finetune(student, split, settings, objective.plain("crossentropy"), "crossentropy")
        found[name] = _right(student, items)
    image = keras.Input((64, 64, 3))
    features = keras.layers.GlobalMaxPooling2D()(keras.layers.Conv2D(512, 31)(image))
    large = keras.Model(image, keras.layers.Dense(3)(features))
    for key, room in (("any", Room()), ("some", Room(200_000, 5_000_000)), ("little", Room(40_000, 1_000_000))):
        sized, said = students.sized("mobilenet", large, room)
        cost = [sized.count_params(), students.multiply_adds(sized)]
        found[key] = {"cost": cost, "said": said, "shape": [*sized.inputs[0].shape[1:]]}
    sized, said = students.sized("squeezenet", large, Room(100_000, 10_000_000))
    found["squeezed"] = {"cost": [sized.count_params(), students.multiply_adds(sized)], "said": said}
    found["none"] = _told(lambda: students.sized("squeezenet", large, Room(1000, 1000)))
    return found


def _with_gelu() -> Any:
    image = keras.Input((8, 8, 1))
    return keras.Model(image, keras.layers.Dense(3, activation="gelu", name="odd")(keras.layers.Flatten()(image)))


def _nested() -> Any:
    image = keras.Input((8, 8, 1))
    return keras.Model(image, _with_gelu()(image))


def _shared() -> Any:
    row = keras.Input((4,))
    twice = keras.layers.Dense(4, name="twice")
    return keras.Model(row, twice(twice(row)))


class Own(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A layer that cannot be made again from what it tells."""

    def __init__(self, units: int) -> None:
        super().__init__(name="mine")
        self.units = units

    def call(self, x: Any) -> Any:
        """As it is."""
        return x


def _own() -> Any:
    row = keras.Input((4,))
    return keras.Model(row, Own(3)(row))


_ODD = {"nested": _nested, "shared": _shared, "own": _own}

if __name__ == "__main__":
    main()
