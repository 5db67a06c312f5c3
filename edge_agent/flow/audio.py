"""Features of sound: log-mel energies and mel-frequency cepstral coefficients (MFCC).

Formulas: Davis, S. B. and Mermelstein, P. (1980): "Comparison of parametric representations for
monosyllabic word recognition", IEEE Transactions on Acoustics, Speech and Signal Processing 28, 357–366;
the mel scale, the triangles and the scale of the cosine transform are those of HTK (Young, S. et al.: "The
HTK Book", 5.4 and 5.6), as TensorFlow's `tf.signal` computes them: a frame is multiplied with a periodic
Hann window and padded with zeros to a power of two.
"""

from __future__ import annotations

import math

import numpy as np

from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.manifest import AudioSpec

_FULL_SCALE = 32768
MAX_SAMPLES = 4_000_000
"""Of one input: more than four minutes at 16 kHz."""


class Features:
    """Turns waveforms into features, with every table made beforehand.

    Attributes:
        channels: of the features: bands, or coefficients.
    """

    def __init__(self, spec: AudioSpec) -> None:
        self._spec = spec
        self.channels = spec.bands if spec.features == "log-mel" else spec.coefficients
        self._window = round(spec.sample_rate * spec.window_ms / 1000)
        self._hop = max(1, round(spec.sample_rate * spec.hop_ms / 1000))
        self._padded = 1 << max(0, math.ceil(math.log2(max(self._window, 1))))
        self._hann = hann(self._window).astype(np.float32)
        self._mel = mel_weights(spec, self._padded // 2 + 1).astype(np.float32)
        self._cosine = cosines(spec.bands, spec.coefficients).astype(np.float32)

    def __call__(self, raw: Array) -> Array:
        """Features float32 [frames, bands or coefficients] of a waveform [samples] or [samples, 1].

        Raises:
            InputError: it is no waveform, or shorter than a frame.
        """
        frames = self._frames(_checked(raw)) * self._hann
        magnitudes = np.abs(np.fft.rfft(frames, self._padded)).astype(np.float32)
        bands = (magnitudes if self._spec.power == 1 else np.square(magnitudes)) @ self._mel
        logarithms: Array = np.log(bands + np.float32(self._spec.floor))
        return logarithms if self._spec.features == "log-mel" else logarithms @ self._cosine

    def _frames(self, wave: Array) -> Array:
        """[frames, samples of a frame]; what is left after the last whole frame is not used."""
        if len(wave) < self._window:
            expected = f"at least {self._window} samples, which are {self._spec.window_ms:g} ms"
            raise InputError(Problem("input", expected, str(len(wave)), "give longer pieces"))
        if self._spec.pre_emphasis:
            wave = np.concatenate([wave[:1], wave[1:] - np.float32(self._spec.pre_emphasis) * wave[:-1]])
        frames: Array = np.lib.stride_tricks.sliding_window_view(wave, self._window)[:: self._hop]
        return frames


def hann(length: int) -> Array:
    """The periodic Hann window."""
    window: Array = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    return window


def mel_weights(spec: AudioSpec, bins: int) -> Array:
    """[bins, bands]: triangles that are equally wide, and half overlap, on the mel scale."""
    frequencies = _mel(np.linspace(0, spec.sample_rate / 2, bins))[:, np.newaxis]
    lowest, highest = _mel(np.array([spec.low_hz, spec.high_hz]))
    edges = np.linspace(lowest, highest, spec.bands + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (frequencies - low) / (centre - low), (high - frequencies) / (high - centre)
    weights: Array = np.maximum(0, np.minimum(rising, falling))
    return weights


def cosines(bands: int, coefficients: int) -> Array:
    """[bands, coefficients]: sqrt(2 / n) · cos(π / n · (j + 1/2) · i), HTK's cosine transform (DCT-II)."""
    angles = np.pi / bands * (np.arange(bands)[:, np.newaxis] + 0.5) * np.arange(coefficients)
    matrix: Array = np.sqrt(2 / bands) * np.cos(angles)
    return matrix


def _mel(hertz: Array) -> Array:
    """1127 · ln(1 + f / 700)."""
    mel: Array = 1127.0 * np.log1p(hertz / 700.0)
    return mel


def _checked(raw: Array) -> Array:
    """float32 [samples], from -1 to 1."""
    one = raw[:, 0] if raw.ndim == 2 and raw.shape[1] == 1 else raw
    if one.ndim != 1 or not (one.dtype == np.int16 or one.dtype.kind == "f") or len(one) > MAX_SAMPLES:
        found, step = f"{raw.dtype} of shape {raw.shape}", "give one channel of sound"
        expected = f"a waveform, int16 or float [samples], of at most {MAX_SAMPLES} samples"
        raise InputError(Problem("input", expected, found, step))
    if one.dtype == np.int16:
        return one.astype(np.float32) / np.float32(_FULL_SCALE)
    wave = one.astype(np.float32)
    if not np.isfinite(wave).all():
        raise InputError(Problem("input", "finite numbers", "a NaN or an infinity", "mend the recording"))
    return wave
