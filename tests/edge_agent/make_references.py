"""Makes `references.npz`: what librosa and TensorFlow say about a sound, and TensorFlow about boxes that overlap.

`python tests/edge_agent/make_references.py` adds what the libraries say that are installed (librosa 0.11, TensorFlow
2.21); they need not be in one environment. It is committed, because both take many seconds to import.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).parent / "references.npz"
RATE, WINDOW, HOP, PADDED, BANDS, COEFFICIENTS = 16_000, 480, 320, 512, 40, 10
OTHER_SOUND: dict[str, Any] = {"sample_rate": 8000, "window_ms": 25.0, "hop_ms": 10.0, "bands": 64, "low_hz": 80.0}
SUPPRESSIONS = [(0.3, 50), (0.45, 100), (0.6, 7)]
"""Overlap from which one of two boxes goes, and how many stay at most."""


def sound() -> Any:
    """Half a second, int16: a rising tone, a steady one, and some noise."""
    time = np.arange(RATE // 2) / RATE
    tone = np.sin(2 * np.pi * (200 * time + 3000 * time**2)) + 0.4 * np.sin(2 * np.pi * 1700 * time)
    noise = np.random.default_rng(5).normal(0, 0.05, len(time))
    return np.rint(12_000 * (tone + noise)).astype(np.int16)


def boxes() -> Any:
    """Many that overlap, float32 [n, 4]: left, top, right, bottom; the first is the best."""
    random = np.random.default_rng(8)
    corners = random.uniform(0, 60, (200, 2))
    return np.concatenate([corners, corners + random.uniform(5, 40, (200, 2))], axis=1).astype(np.float32)


def by_librosa() -> dict[str, Any]:
    """Log-mel and MFCC of magnitudes and of power, and with pre-emphasis.

    librosa has its frames as long as the transform and the window in their middle, and its orthogonal cosine
    transform halves the power of the first coefficient.
    """
    import librosa

    wave = np.concatenate([np.zeros((PADDED - WINDOW) // 2), sound() / 32768])
    emphasized = np.concatenate([wave[:1], wave[1:] - 0.97 * wave[:-1]])
    scale = np.r_[np.sqrt(2), np.ones(COEFFICIENTS - 1)]
    found = {}
    for name, power, samples in (("magnitude", 1, wave), ("power", 2, wave), ("emphasized", 1, emphasized)):
        spectrum = np.abs(librosa.stft(samples, n_fft=PADDED, hop_length=HOP, win_length=WINDOW, center=False)) ** power
        weights = librosa.filters.mel(
            sr=RATE, n_fft=PADDED, n_mels=BANDS, fmin=20, fmax=4000, htk=True, norm=None, dtype=np.float64
        )
        logarithms = np.log(weights @ spectrum + 1e-6)
        cepstrum = librosa.feature.mfcc(S=logarithms, n_mfcc=COEFFICIENTS, dct_type=2, norm="ortho")
        found[f"librosa-{name}-log-mel"] = logarithms.T.astype(np.float32)
        found[f"librosa-{name}-mfcc"] = (cepstrum.T * scale).astype(np.float32)
    return found


def by_tensorflow() -> dict[str, Any]:
    """Log-mel and MFCC by tf.signal, and which boxes tf.image keeps."""
    import tensorflow as tf

    found: dict[str, Any] = {}
    for name, changes in (("magnitude", {}), ("other", OTHER_SOUND)):
        rate, bands = changes.get("sample_rate", RATE), changes.get("bands", BANDS)
        window = round(rate * changes.get("window_ms", 30) / 1000)
        hop = round(rate * changes.get("hop_ms", 20) / 1000)
        spectrum = tf.abs(tf.signal.stft(sound().astype(np.float32) / 32768, window, hop))
        low_hz = changes.get("low_hz", 20.0)
        weights = tf.signal.linear_to_mel_weight_matrix(bands, spectrum.shape[-1], rate, low_hz, 4000.0)
        logarithms = tf.math.log(spectrum @ weights + 1e-6)
        cepstrum = tf.signal.mfccs_from_log_mel_spectrograms(logarithms)[..., :COEFFICIENTS]
        found[f"tensorflow-{name}-log-mel"] = logarithms.numpy()
        found[f"tensorflow-{name}-mfcc"] = cepstrum.numpy()
    scores = np.linspace(1, 0, len(boxes()), dtype=np.float32)
    for iou, most in SUPPRESSIONS:
        found[f"kept-{iou}-{most}"] = tf.image.non_max_suppression(boxes(), scores, most, iou).numpy()
    return found


def main() -> None:
    """Add what can be asked here."""
    found = dict(np.load(FILE)) if FILE.exists() else {}
    for library, ask in (("librosa", by_librosa), ("tensorflow", by_tensorflow)):
        if importlib.util.find_spec(library):
            found |= ask()
    np.savez_compressed(FILE, **found)


if __name__ == "__main__":
    main()
