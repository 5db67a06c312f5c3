"""What a profile's runtimes and delegates can take of a model: before it is built, and after. Pure."""

from __future__ import annotations

from converter.candidate import RUNTIMES_OF_FORMAT, Candidate, Cost
from converter.recipes import Recipe
from firmware_profiles.profile import Profile, RuntimeRow

_MULTIPLYING = {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL"}
"""Operators that must run on the delegate: nearly all the time goes there. What only moves or adds numbers
(a reshape, a softmax at the end) may stay with the runtime."""

_FALLBACK = "none"
GPU = ("litert", "gpu")
_SPARSE = ("litert", "xnnpack")


def cannot_take(profile: Profile, recipe: Recipe) -> str:
    """Why no runtime of the profile can take what the recipe makes; empty if one may."""
    rows = [row for row in profile.runtimes if row.runtime in RUNTIMES_OF_FORMAT[recipe.format]]
    reasons = [_refuses(row, recipe) for row in rows]
    return "; ".join(dict.fromkeys(reasons)) if rows and all(reasons) else ""


def unlisted_fallback(profile: Profile, candidate: Candidate, cost: Cost | None) -> str:
    """Why the candidate would run on kernels that the profile does not list; empty if it would not.

    Args:
        cost: on such a device, where the nodes were counted; without it those count where its accuracy was
            measured, and a delegate that is not the one of the profile tells nothing.
    """
    used, left_nodes = (cost, cost.left_nodes) if cost else (candidate.ran_on, candidate.left_nodes)
    rows = [(row.runtime, row.delegate) for row in profile.runtimes]
    if used is None or (used.runtime, _FALLBACK) in rows:
        return ""
    if used.delegate == _FALLBACK and (used.runtime, "xnnpack") in rows:
        return f"XNNPACK takes none of it, and the profile lists no {used.runtime}/{_FALLBACK}"
    left = sorted(_MULTIPLYING.intersection(left_nodes))
    if not left or (used.runtime, used.delegate) not in rows:
        return ""
    taken = f"{used.delegate} takes {used.delegated_nodes} of {used.nodes} nodes"
    return f"{taken} and leaves {', '.join(left)}, and the profile lists no {used.runtime}/{_FALLBACK}"


def refuses(row: RuntimeRow, candidate: Candidate) -> str:
    """Why the delegate cannot take the model itself; empty if it may."""
    if (row.runtime, row.delegate) == GPU and candidate.not_on_gpu:
        return f"the GPU delegate does not take {', '.join(candidate.not_on_gpu)}"
    return ""


def has_sparse_kernels(profile: Profile) -> bool:
    """Whether XNNPACK computes float 1 × 1 convolutions sparse there; on x86 with AVX it does not.

    Where: its src/xnnpack/hardware-config.h, xnn_is_chw_compatible_config ("with AVX ISA dense inference is expected
    to be faster than sparse").
    """
    x86_with_avx = profile.hardware.arch == "x86_64" and any("avx" in each for each in profile.hardware.isa)
    return not x86_with_avx and any((row.runtime, row.delegate) == _SPARSE for row in profile.runtimes)


def _refuses(row: RuntimeRow, recipe: Recipe) -> str:
    """TensorRT refuses a zero point that is not 0 (NVIDIA, "Working with quantized types")."""
    if row.delegate == "tensorrt" and recipe.symmetry == "asymmetric":
        return f"{row.runtime}/{row.delegate} takes symmetric activations only"
    return ""
