"""What the device's own configuration says about runtimes. No numpy here.

```toml
[runtime.external]
path = "/usr/lib/aarch64-linux-gnu/libedgetpu.so.1"
options = { device = "usb" }
```
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

_Text = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"^[^\x00]*\Z")]


class External(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A TFLite delegate in a library of its own: what runs where a model lists the delegate "external".

    Attributes:
        path: the library, which exports `tflite_plugin_create_delegate` and `tflite_plugin_destroy_delegate`
            (TensorFlow Lite's external_delegate_interface.h). It is loaded into the worker: trust it.
        options: handed to it as they are; its vendor says which there are.
    """

    path: _Text
    options: Annotated[dict[_Text, str], Meta(max_length=64)] = {}


class Runtime(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The table `[runtime]`."""

    external: External | None = None
