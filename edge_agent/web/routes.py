"""Every path, and what answers it. Exact paths in a table, made anew when another deployment is active."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from edge_agent.web import oip_metadata
from edge_agent.web.application import Handler, fixed, told
from edge_agent.web.messages import Response, error, json
from firmware_profiles.manifest import Manifest

_PAGE = {"": "text/html", "page.js": "text/javascript", "page.css": "text/css"}
# Nothing from anywhere else, nothing inline, in no frame.
_PAGE_HEADERS = (
    b"Cache-Control: no-cache\r\n"
    b"Referrer-Policy: no-referrer\r\n"
    b"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
)
_FRESH = b"Cache-Control: no-store\r\n"


class Route(NamedTuple):
    """One path.

    Attributes:
        method: b"GET" (HEAD too) or b"POST".
        public: it needs no token.
    """

    method: bytes
    handler: Handler
    public: bool = False


Table = Mapping[bytes, Route]
Infer = Callable[[str, Literal["oip", "file"]], Handler]
"""Makes the handler for a model, by its name, and a kind of request."""


def page() -> Table:
    """The files of the page; they say nothing about the device."""
    table = {}
    for name, content_type in _PAGE.items():
        content = (Path(__file__).parent / "page" / (name or "index.html")).read_bytes()
        response = Response(200, content, f"{content_type}; charset=utf-8".encode(), _PAGE_HEADERS)
        table[f"/{name}".encode()] = Route(b"GET", fixed(response), public=True)
    return table


def protocol(manifest: Manifest, ready: Callable[[], bool], infer: Infer) -> Table:
    """The Open Inference Protocol, and prediction from files, for the models of a deployment."""

    def health(name: str) -> Handler:
        return told(lambda: _state(name, ready()))

    index = told(lambda: json(oip_metadata.index(manifest, ready=ready())))
    table = {
        b"/v2": Route(b"GET", told(lambda: json(oip_metadata.server()))),
        b"/v2/health/live": Route(b"GET", told(lambda: json({"live": True})), public=True),
        b"/v2/health/ready": Route(b"GET", health("ready"), public=True),
        b"/v2/repository/index": Route(b"POST", index),
    }
    for model in manifest.models:
        about = fixed(json(oip_metadata.model(manifest, model)))
        for path in (f"/v2/models/{model.name}", f"/v2/models/{model.name}/versions/{manifest.version}"):
            table[path.encode()] = Route(b"GET", about)
            table[f"{path}/ready".encode()] = Route(b"GET", health("ready"))
            table[f"{path}/infer".encode()] = Route(b"POST", infer(model.name, "oip"))
        table[f"/api/predict/{model.name}".encode()] = Route(b"POST", infer(model.name, "file"))
    return table


def _state(name: str, holds: bool) -> Response:
    return Response(
        200 if holds else 503, b'{"%b":%b}' % (name.encode(), b"true" if holds else b"false"), headers=_FRESH
    )


def unknown(path: bytes, manifest: Manifest) -> Response:
    """For a path that is not in the table."""
    if path.startswith((b"/v2/models/", b"/api/predict/")):
        names = ", ".join(f"{model.name} {manifest.version}" for model in manifest.models)
        return error(404, f"no such model or version; known: {names}")
    return error(404, "no such path; known: /, /metrics, /api/status, /v2/models/NAME")
