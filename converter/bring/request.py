"""What a process in a toolchain's environment is asked, and what it answers: one JSON document each."""

from __future__ import annotations

import msgspec

from converter.protocol import Declined, Failed, Rejected


class Bring(msgspec.Struct, frozen=True, kw_only=True):
    """Request: write the model at `source` to `target` in the format that the route gives.

    Attributes:
        module: of `converter.bring`, whose function `bring` does it.
        source: of PyTorch code the state dict.
        code: "module:function" in `folder`, which builds a PyTorch network; empty for others.
        shape: of the input with its batch, which is 1; [1] where the source knows it.
    """

    module: str
    source: str
    target: str
    shape: list[int]
    code: str = ""
    folder: str = ""


class Brought(msgspec.Struct, frozen=True, tag="brought"):
    """It was written, and answers as the source does."""


Answer = Brought | Declined | Failed | Rejected
ANSWER: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)
REQUEST = msgspec.json.Decoder(Bring)
encode = msgspec.json.encode
