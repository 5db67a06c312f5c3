"""Layers that compute as their int8 export will: by TensorFlow's own fake quantization, which TFLite reads."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from converter.passes.keras_graph import DEPTHWISE

_MOMENTUM = 0.99
_SMALLEST = 1e-6
_BITS = 8
_STEPS = 255
_SIDE = 127


class Range(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Rounds to 256 steps between two ends, which always hold 0 and follow what passes while training."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.low = self.add_weight(name="low", shape=(), initializer="zeros", trainable=False)
        self.high = self.add_weight(name="high", shape=(), initializer="zeros", trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        """As training sees it, and as the export computes it."""
        if training:
            low, high = tf.minimum(tf.reduce_min(x), 0.0), tf.maximum(tf.reduce_max(x), _SMALLEST)
            new = tf.cast(tf.equal(self.high, 0.0), tf.float32)
            share = tf.maximum(new, 1 - _MOMENTUM)
            self.low.assign(self.low + share * (low - self.low))
            self.high.assign(self.high + share * (high - self.high))
        return self.rounded(x)

    @property
    def step(self) -> Any:
        """Between two values next to each other."""
        return (self.high - self.low) / _STEPS

    def rounded(self, x: Any) -> Any:
        """By the ends as they are."""
        return tf.quantization.fake_quant_with_min_max_vars(
            x, tf.convert_to_tensor(self.low), tf.convert_to_tensor(self.high), num_bits=_BITS
        )


class Again(keras.layers.Layer):  # type: ignore[misc]
    """Rounds by a range that was found elsewhere."""

    def __init__(self, found: Range | Fixed, name: str) -> None:
        super().__init__(name=name)
        self._found = [found]  # in a list: its variables are not this layer's

    def call(self, x: Any) -> Any:
        """Rounded to 256 steps."""
        return self._found[0].rounded(x)


class Fixed(keras.layers.Layer):  # type: ignore[misc]
    """The range that TFLite prescribes: 0 to 255/256 for what lies between 0 and 1, -1 to 127/128 for a tanh."""

    def __init__(self, low: float, name: str) -> None:
        """Args: `low`: 0 or -1."""
        super().__init__(name=name)
        self._low = low
        self.step = (1 - low) / (_STEPS + 1)

    def call(self, x: Any, training: bool = False) -> Any:
        """Rounded to 256 steps; not while training, where a probability that is rounded to 0 teaches nothing."""
        return x if training else self.rounded(x)

    def rounded(self, x: Any) -> Any:
        """Rounded to 256 steps."""
        return tf.quantization.fake_quant_with_min_max_args(x, min=self._low, max=1 - self.step, num_bits=_BITS)


class Rounded(keras.layers.Layer):  # type: ignore[misc]
    """A layer that multiplies, with weights and bias rounded and its batch normalization folded.

    Its activation is not applied.
    """

    def __init__(self, inner: Any, norm: Any, source: Range | Fixed, *, by_tensor: bool) -> None:
        """Args: `norm` None where there is none; `source`: the range of what the layer reads."""
        super().__init__(name=inner.name)
        self.inner, self.norm = inner, norm
        self._by_tensor = by_tensor or isinstance(inner, keras.layers.Dense)
        self._source = [source]  # in a list: its variables are not this layer's

    def build(self, shape: Any) -> None:
        """See `keras.layers.Layer`."""
        self.inner.build(shape)
        if self.norm is not None:
            self.norm.build(self.inner.compute_output_shape(shape))

    def folded(self) -> tuple[Any, Any]:
        """Kernel and bias as at inference, not rounded."""
        kernel = tf.convert_to_tensor(self.inner.kernel)
        bias = tf.convert_to_tensor(self.inner.bias) if self.inner.use_bias else tf.zeros(())
        norm = self.norm
        if norm is None:
            return kernel, bias
        factor = tf.math.rsqrt(tf.convert_to_tensor(norm.moving_variance) + norm.epsilon)
        factor = factor * norm.gamma if norm.scale else factor
        bias = factor * (bias - norm.moving_mean) + (norm.beta if norm.center else 0.0)
        return kernel * tf.reshape(factor, kernel.shape[-2:] if self.depthwise else kernel.shape[-1:]), bias

    def call(self, x: Any) -> Any:
        """The linear answer."""
        kernel, bias = self.folded()
        weights, most = rounded_weights(kernel, self.inner, by_tensor=self._by_tensor)
        return self.computed(x, weights) + _in_steps(bias, self._source[0].step * most / _SIDE)

    def computed(self, x: Any, kernel: Any) -> Any:
        """What the layer makes of x with that kernel, before the bias."""
        inner = self.inner
        if isinstance(inner, keras.layers.Dense):
            return tf.linalg.matmul(x, kernel)
        if self.depthwise:
            return keras.ops.depthwise_conv(
                x, kernel, inner.strides, inner.padding, inner.data_format, inner.dilation_rate
            )
        return inner.convolution_op(x, kernel)

    def compute_output_shape(self, shape: Any) -> Any:
        """See `keras.layers.Layer`."""
        return self.inner.compute_output_shape(shape)

    @property
    def depthwise(self) -> bool:
        """Each channel by its own kernel."""
        return isinstance(self.inner, DEPTHWISE)


def rounded_weights(kernel: Any, layer: Any, *, by_tensor: bool) -> tuple[Any, Any]:
    """To 255 steps, the middle one 0: per output channel or per tensor; and the largest of each.

    A dense layer is rounded per tensor: TensorFlow's converter transposes its weights, and refuses to where each row
    has a range.
    """
    if by_tensor:
        most = _most(kernel, list(range(len(kernel.shape))))
        return tf.quantization.fake_quant_with_min_max_vars(kernel, -most, most, _BITS, narrow_range=True), most
    flat = tf.reshape(kernel, [*kernel.shape[:-2], -1]) if isinstance(layer, DEPTHWISE) else kernel
    most = _most(flat, list(range(len(flat.shape) - 1)))
    answer = tf.quantization.fake_quant_with_min_max_vars_per_channel(flat, -most, most, _BITS, narrow_range=True)
    return tf.reshape(answer, kernel.shape), most


def _most(kernel: Any, axes: list[int]) -> Any:
    return tf.stop_gradient(tf.maximum(tf.reduce_max(tf.abs(kernel), axis=axes), _SMALLEST))


def _in_steps(bias: Any, step: Any) -> Any:
    """An int32 bias counts in steps of what it is added to."""
    return bias + tf.stop_gradient(tf.round(bias / step) * step - bias)
