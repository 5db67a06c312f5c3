"""Features of sound against librosa's, TensorFlow's and SciPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_agent.flow.audio import Features
from edge_agent.flow.preprocess import Preprocessor
from firmware_profiles.errors import InputError
from firmware_profiles.manifest import AudioSpec, InputSpec, Tensor
from tests.edge_agent.make_references import FILE, HOP, OTHER_SOUND, RATE, WINDOW, sound

SOUND = sound()
MFCC = AudioSpec("mfcc")


@pytest.mark.parametrize("features", ["log-mel", "mfcc"])
@pytest.mark.parametrize(
    ("name", "changes"), [("magnitude", {}), ("power", {"power": 2}), ("emphasized", {"pre_emphasis": 0.97})]
)
def test_features_are_librosas(name: str, changes: dict[str, Any], features: Any) -> None:
    found = Features(AudioSpec(features, **changes))(SOUND)
    with np.load(FILE) as arrays:
        expected = arrays[f"librosa-{name}-{features}"]
    # librosa's triangles are straight on the scale of frequencies, HTK's and TensorFlow's on that of mel.
    np.testing.assert_allclose(found, expected, atol=0.005 * np.ptp(expected))


@pytest.mark.parametrize("features", ["log-mel", "mfcc"])
@pytest.mark.parametrize(("name", "changes"), [("magnitude", {}), ("other", OTHER_SOUND)])
def test_features_are_tensorflows(name: str, changes: dict[str, Any], features: Any) -> None:
    found = Features(AudioSpec(features, **changes))(SOUND)
    with np.load(FILE) as arrays:
        # float32 through a transform and a logarithm
        np.testing.assert_allclose(found, arrays[f"tensorflow-{name}-{features}"], atol=1e-3)


def test_the_cosine_transform_is_scipys() -> None:
    from scipy import fft

    logarithms = Features(AudioSpec("log-mel"))(SOUND)
    expected = fft.dct(logarithms, type=2)[:, :10] * np.sqrt(1 / (2 * 40))
    np.testing.assert_allclose(Features(MFCC)(SOUND), expected, atol=1e-4)


def test_frames_are_as_many_as_fit_and_the_rest_is_left() -> None:
    for samples, frames in ((WINDOW, 1), (WINDOW + HOP - 1, 1), (WINDOW + HOP, 2), (RATE // 2, 24)):
        assert Features(MFCC)(SOUND[:samples]).shape == (frames, 10)


def test_a_waveform_in_floats_is_the_same_sound() -> None:
    as_floats = SOUND[:, np.newaxis].astype(np.float32) / 32768
    np.testing.assert_allclose(Features(MFCC)(as_floats), Features(MFCC)(SOUND), atol=1e-5)


def test_the_model_gets_them_scaled_in_its_own_shape() -> None:
    spec = InputSpec("audio", audio=MFCC, mean=[float(i) for i in range(10)], std=[2.0])
    found = Preprocessor(spec, Tensor("x", [1, 24, 10, 1], "float32"))(SOUND)
    np.testing.assert_allclose(found[0, :, :, 0], (Features(MFCC)(SOUND) - np.arange(10)) / 2, atol=1e-5)
    with pytest.raises(InputError, match=r"the shape \(25, 10, 1\), found \(24, 10\)"):
        Preprocessor(spec, Tensor("x", [1, 25, 10, 1], "float32"))(SOUND)


@pytest.mark.parametrize(
    "raw",
    [SOUND[: WINDOW - 1], SOUND.astype(np.int32), np.stack([SOUND, SOUND], axis=1), np.full(8000, np.nan), SOUND[:0]],
)
def test_what_is_no_sound_is_an_input_error(raw: Any) -> None:
    with pytest.raises(InputError):
        Features(MFCC)(raw)
