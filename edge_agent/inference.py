"""An inference on its way from HTTP or MQTT to the worker, and back. No numpy here."""

from __future__ import annotations

from typing import Literal

import msgspec


class InferRequest(msgspec.Struct, frozen=True):
    """One inference, as it came: the worker makes sense of `body`.

    Attributes:
        kind: "oip": a body of the Open Inference Protocol, for the model's own tensors; "file": an image,
            .npy file, CSV row or JSON list, which goes through the declared pre- and post-processing.
        header_bytes: of `body`, which are JSON, before the binary tensors; None where all of it is.
    """

    model: str
    kind: Literal["oip", "file"]
    body: bytes
    header_bytes: int | None = None


class InferReply(msgspec.Struct, frozen=True):
    """Its answer, ready to be sent.

    Attributes:
        status: of HTTP; from 400 on `body` is `{"error": reason}`.
        header_bytes: as in `InferRequest`.
    """

    status: int
    body: bytes
    header_bytes: int | None = None
    content_type: str = "application/json"


def refusal(status: int, reason: str) -> InferReply:
    """The reply that says why there is no answer."""
    return InferReply(status, msgspec.json.encode({"error": reason}))
