"""`edge-agent selftest`: does the model still give its golden answers, here?"""

from __future__ import annotations

import argparse

import msgspec

from edge_agent import golden
from edge_agent.commands.evaluate import claim_of
from edge_agent.deployment import unpacked
from edge_agent.pipeline import choose, model_of, open_pipeline
from edge_agent.runtimes.base import Opening
from firmware_profiles.wire import RuntimeInUse


class SelfTest(msgspec.Struct, frozen=True):
    """What `selftest --json` prints.

    Attributes:
        golden_max_difference: largest absolute difference from the expected outputs.
        tolerance: the largest that the manifest allows for this runtime.
    """

    model: str
    runtime: RuntimeInUse
    golden_max_difference: float
    tolerance: float


def main(arguments: argparse.Namespace) -> int:
    """Print a `SelfTest`; the error of a model that disagrees ends with exit code 5."""
    with unpacked(arguments.bundle) as deployment:
        model = model_of(deployment)
        if arguments.runtime or arguments.delegate:
            claim = claim_of(model, arguments.runtime, arguments.delegate)
            pipeline = open_pipeline(deployment, model, claim, Opening(deployment.manifest.threads))
            difference = golden.check(pipeline, deployment, claim.tolerance)
        else:
            pipeline, difference = choose(deployment, model)
            claim = claim_of(model, pipeline.in_use.runtime, pipeline.in_use.delegate)
    result = SelfTest(model.name, pipeline.in_use, difference, claim.tolerance)
    if arguments.json:
        print(msgspec.json.encode(result).decode())
    else:
        runtime = f"{claim.runtime}/{claim.delegate}"
        print(f"{model.name} on {runtime}: golden answers within {difference:g} (allowed {claim.tolerance:g})")
    return 0
