"""The weights of a Keras model that multiply, for rules that zero and share them after each step."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from converter.passes.keras_graph import MULTIPLYING
from converter.training.data import Array


class Kernel:
    """Weights [..., in, out]; see `stepping.Kernel`. TensorFlow's own variable takes a third less time than Keras's."""

    def __init__(self, variable: Any) -> None:
        self._variable = variable.value

    @property
    def shape(self) -> Any:
        """[..., in, out]."""
        return self._variable.shape

    def numpy(self) -> Array:
        """The values, copied."""
        values: Array = self._variable.numpy()
        return values

    def assign(self, values: Array) -> None:
        """Others, of the same shape."""
        self._variable.assign(values)

    def keep(self, mask: Array) -> None:
        """Zero but where the mask, bool of the same shape, is True."""
        self._variable.assign(tf.where(mask, self._variable, 0))


def kernel(layer: Any) -> Any:
    """The variable that multiplies, also of a layer that wraps one (qat_layers); None where there is none."""
    inner = getattr(layer, "inner", layer)
    return inner.kernel if isinstance(inner, MULTIPLYING) else None


def kernels(model: Any) -> list[tuple[str, Kernel]]:
    """Of all layers that have one, by name."""
    return [(layer.name, Kernel(kernel(layer))) for layer in model.layers if kernel(layer) is not None]
