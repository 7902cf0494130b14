"""The paths of protocols that name a model in them: ``/v2/...`` (Open Inference Protocol), ``/v1/models/...``.

Looked at only where no path of :data:`service.app.app.ROUTES` is asked for, so that ``/predict`` pays nothing for them.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from service.protocols import oip_http, tf_serving
from service.wire.http import Receive, Reply, Scope, StreamReply
from service.worker import Worker

Handler = Callable[[Worker, Scope, Receive], Awaitable[Reply | StreamReply]]
READ = ("GET", "HEAD")

_VERSION = "/versions/{version}"


class Route(NamedTuple):
    """One path: who answers it, and to which methods."""

    handler: Handler
    methods: tuple[str, ...] = READ


def _with_versions(before: str, actions: dict[str, Route]) -> dict[str, Route]:
    return {before + version + action: route for version in ("", _VERSION) for action, route in actions.items()}


PATHS: dict[str, Route] = {
    "/v2": Route(oip_http.server_metadata),
    "/v2/health/live": Route(oip_http.live),
    "/v2/health/ready": Route(oip_http.ready),
    **_with_versions(
        "/v2/models/{model}",
        {
            "": Route(oip_http.model_metadata),
            "/ready": Route(oip_http.model_ready),
            "/infer": Route(oip_http.infer, ("POST",)),
        },
    ),
    **_with_versions(
        "/v1/models/{model}",
        {
            "": Route(tf_serving.status),
            "/metadata": Route(tf_serving.metadata),
            ":predict": Route(tf_serving.predict, ("POST",)),
        },
    ),
}

_FIXED = ("/v2", "/v2/health/live", "/v2/health/ready")
_MODEL = re.compile(
    r"(?P<before>/v[12]/models/)(?P<model>[^/:]+)(?P<versions>/versions/(?P<version>[^/:]+))?(?P<action>[/:]\w+)?"
)


class Found(NamedTuple):
    """A path below ``/v1/`` or ``/v2``: its template, the names in it, and its route, or None where it has none."""

    template: str
    parameters: dict[str, str | None]
    route: Route | None


def find(path: str) -> Found | None:
    """What a path asks of these protocols; None where it is none of theirs."""
    if not path.startswith(("/v2/", "/v1/")) and path != "/v2":
        return None
    if path in _FIXED:
        return Found(path, {}, PATHS[path])
    match = _MODEL.fullmatch(path)
    if match is not None:
        version = _VERSION if match["versions"] else ""
        template = f"{match['before']}{{model}}{version}{match['action'] or ''}"
        if template in PATHS:
            return Found(template, {"model": match["model"], "version": match["version"]}, PATHS[template])
    return Found("other", {}, None)
