"""What the tests of the contracts share: one small manifest and one small bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_profiles import bundle, manifest
from firmware_profiles.manifest import Manifest

MEMBERS = {"labels.txt": b"cat\ndog\n", "golden/pets.npz": b"\x93golden", "models/pets.tflite": b"TFL3" * 8}


@pytest.fixture
def members() -> dict[str, bytes]:
    """Name → content of the small bundle, without its manifest."""
    return dict(MEMBERS)


@pytest.fixture
def pets() -> Manifest:
    """The manifest of the small bundle: one classifier."""
    tensor = manifest.Tensor("x", [1, 8, 8, 3], "float32")
    model = manifest.Model(
        name="pets",
        task="classification",
        file="models/pets.tflite",
        format="tflite",
        precision="int8",
        recipe="tflite-int8",
        inputs=[tensor],
        outputs=[manifest.Tensor("y", [1, 2], "float32")],
        pre=manifest.InputSpec("image", 8, 8),
        post=manifest.OutputSpec("softmax", 1),
        runtimes=[manifest.RuntimeClaim("litert", "xnnpack", "2.1.0", 0.01)],
        golden="golden/pets.npz",
        labels=["cat", "dog"],
    )
    return Manifest(
        name="pets",
        version="1.0",
        godwit="0.1.0",
        profiles=["raspberry-pi-5"],
        arch="aarch64",
        models=[model],
        limits=manifest.Limits(100, 256),
    )


@pytest.fixture
def packed(tmp_path: Path, pets: Manifest, members: dict[str, bytes]) -> Path:
    """The small bundle, written."""
    path = tmp_path / "pets.godwit"
    bundle.write(path, pets, members)
    return path
