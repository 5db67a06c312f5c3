"""`godwit inspect BUNDLE --layers`: what the recipe did to each layer of the model in a bundle."""

from __future__ import annotations

from pathlib import Path

import msgspec

from converter.candidate import Candidate
from converter.protocol import Layer
from converter.recipes import Recipe
from firmware_profiles.bundle import Bundle
from firmware_profiles.errors import InputError, Problem

MEMBER = "recipe.json"
_NAME_WIDTH = 60


class MadeBy(msgspec.Struct, frozen=True):
    """`recipe.json` in a bundle.

    Attributes:
        layers: signal-to-noise of each layer's output against float, on calibration items, in the order
            they run; empty for float models, and where it is not known.
    """

    recipe: Recipe
    layers: list[Layer]


def content(candidate: Candidate) -> bytes:
    """The member for a candidate."""
    return msgspec.json.format(msgspec.json.encode(MadeBy(candidate.made_by, candidate.layers)), indent=2) + b"\n"


def as_json(path: Path) -> str:
    """The member as it is. Raises as `read`."""
    return msgspec.json.format(msgspec.json.encode(read(path)), indent=2).decode() + "\n"


def as_text(path: Path) -> str:
    """For a person. Raises as `read`."""
    made_by = read(path)
    lines = [f"recipe    {made_by.recipe.name} ({made_by.recipe.title})"]
    lines += [f"scope     {scope.layers}: {scope.recipe}" for scope in made_by.recipe.scopes]
    if not made_by.layers:
        return "\n".join([*lines, "no layer is quantized"]) + "\n"
    lines += ["", f"{'signal/noise':>12}  {'operator':20}  layer"]
    lines += [f"{layer.snr_db:>9.1f} dB  {layer.operator:20}  {layer.name[-_NAME_WIDTH:]}" for layer in made_by.layers]
    return "\n".join(lines) + "\n"


def read(path: Path) -> MadeBy:
    """How the bundle's model was made.

    Raises:
        BundleError: the file is damaged.
        InputError: an older Godwit made it, which did not say.
    """
    with Bundle(path) as bundle:
        if MEMBER not in bundle.manifest.files:
            raise InputError(Problem(str(path), f"a bundle with {MEMBER}", "none", "convert the model again"))
        return msgspec.json.decode(bundle.read(MEMBER), type=MadeBy)
