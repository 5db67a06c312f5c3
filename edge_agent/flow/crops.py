"""The part of an image in a box."""

from __future__ import annotations

import math

from edge_agent.runtimes.base import Array
from firmware_profiles.results import Box


def crop(image: Array, box: Box) -> Array | None:
    """The pixels of `image` [height, width, …] that the box touches; None where it touches none."""
    height, width = image.shape[:2]
    top, bottom = max(0, math.floor(box.top)), min(height, math.ceil(box.bottom))
    left, right = max(0, math.floor(box.left)), min(width, math.ceil(box.right))
    if top >= bottom or left >= right:
        return None
    return image[top:bottom, left:right]
