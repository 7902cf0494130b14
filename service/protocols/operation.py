"""Operation: the one record of a path. Routing, OpenAPI, metrics, keys and the tables of the docs are made from it.

The records themselves are in :mod:`service.app.operations`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from service.live.model import LiveModel
from service.settings.settings import Settings
from service.wire.errors import ApiError, MethodError, plain_status
from service.wire.http import Receive, Reply, Scope, StreamReply
from service.worker import Worker

Handler = Callable[[Worker, Scope, Receive], Awaitable[Reply | StreamReply]]

READ = ("GET", "HEAD")
WRITE = ("POST",)
# The metrics' label for every path that has no operation.
OTHER = "other"
# Any operation may answer with these errors: for a wrong method, and for a fault of the service.
EVERYWHERE: tuple[type[ApiError], ...] = (MethodError, ApiError)
_NAMES = re.compile(r"\{(\w+)\}")


class Group(NamedTuple):
    """Operations that belong together: a tag of the OpenAPI document.

    Attributes:
        name: name of the tag.
        description: description of the tag.
        prefix: beginning of another protocol's paths; empty for Trueline's own.
    """

    name: str
    description: str
    prefix: str = ""

    @property
    def has_plain_errors(self) -> bool:
        """Whether errors are ``{"error": "sentences"}``, as other protocols write them."""
        return self.prefix != ""


class Shape(NamedTuple):
    """The request and the answer of an operation, as OpenAPI describes them.

    Attributes:
        answers: schema of the 200 answer by media type; None where a type has no schema.
        headers: headers of the 200 answer.
        description: description of the operation, in Markdown.
        parameters: parameters in the query and in headers.
        request: content of the body by media type; None where the operation takes no body.
    """

    answers: Mapping[str, Any]
    headers: Mapping[str, Any] = {}
    description: str = ""
    parameters: Sequence[Mapping[str, Any]] = ()
    request: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The record of one path.

    Attributes:
        path: the path, with the names of its parameters in braces; also its label in the metrics.
        handler: answers requests. The values of the path's parameters are in the scope's ``path_params``.
        group: group of operations to which it belongs.
        summary: its answer, in a few words.
        methods: methods that it takes; the header ``Allow`` names them. Defaults to GET and HEAD.
        shape: makes its request and answer for the live model. None for a page, which OpenAPI does not describe.
        errors: errors that it may answer with, besides :data:`EVERYWHERE` and those of keys.
        is_open: whether it needs no key, unless the operator's setting says otherwise.
        row_text: text for the docs' table of routes, where the summary does not fit there.
    """

    path: str
    handler: Handler
    group: Group
    summary: str
    methods: tuple[str, ...] = READ
    shape: Callable[[LiveModel | None], Shape] | None = None
    errors: tuple[type[ApiError], ...] = ()
    is_open: bool = False
    row_text: str = ""

    def __post_init__(self) -> None:
        if not self.path.startswith(self.group.prefix or "/"):
            raise ValueError(f"Expected a path below '{self.group.prefix or '/'}'. Received: '{self.path}'.")
        if not self.methods:
            raise ValueError(f"Expected at least one method for {self.path}. Received: none.")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path's parameters."""
        return tuple(_NAMES.findall(self.path))

    @property
    def pattern(self) -> str:
        """A regular expression for the path, with a group for each parameter."""
        return r"([^/:]+)".join(re.escape(part) for part in _NAMES.split(self.path)[::2])

    @property
    def all_errors(self) -> tuple[type[ApiError], ...]:
        """All errors that it may answer with, except those of keys."""
        return (*self.errors, *EVERYWHERE)

    def statuses(self) -> set[int]:
        """The statuses of these errors in its protocol."""
        is_plain = self.group.has_plain_errors
        return {plain_status(kind.status) if is_plain else kind.status for kind in self.all_errors}


def open_paths(operations: Iterable[Operation], settings: Settings) -> frozenset[str]:
    """The paths that need no key: those in the operator's setting, else those that their records mark as open."""
    if settings.open_paths is None:
        return frozenset(operation.path for operation in operations if operation.is_open)
    return frozenset(Settings.listed(settings.open_paths))
