"""Operation: the one record of a path. Routing, OpenAPI, metrics, keys and the tables of the docs are made from it.

The records themselves stand in :mod:`service.app.operations`.
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
# What the metrics call every path that has no operation.
OTHER = "other"
# Any operation may answer with these: another method, and a fault of the service.
EVERYWHERE: tuple[type[ApiError], ...] = (MethodError, ApiError)
_NAMES = re.compile(r"\{(\w+)\}")


class Group(NamedTuple):
    """Operations that belong together: a tag of the OpenAPI document.

    Attributes:
        name: of the tag.
        description: for whom they are.
        prefix: what the paths of another protocol begin with; empty for Trueline's own.
    """

    name: str
    description: str
    prefix: str = ""

    @property
    def has_plain_errors(self) -> bool:
        """Whether errors are ``{"error": "sentences"}``, as other protocols write them."""
        return self.prefix != ""


class Shape(NamedTuple):
    """What an operation takes and gives, in the words of OpenAPI.

    Attributes:
        answers: the schema of the 200 answer by media type; None where it has none.
        headers: of the 200 answer.
        description: in Markdown.
        parameters: of the query and the head.
        request: what the body may hold, by media type.
    """

    answers: Mapping[str, Any]
    headers: Mapping[str, Any] = {}
    description: str = ""
    parameters: Sequence[Mapping[str, Any]] = ()
    request: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One path and all that is known of it.

    Attributes:
        path: with the names of its parameters in braces; metrics call it so too.
        handler: answers. Where the path has parameters, they are in the scope's ``path_params``.
        methods: that it has; ``Allow`` names them.
        group: where it belongs.
        summary: what it answers, in a few words.
        shape: what it takes and gives; the live model is handed in. None for a page, which no OpenAPI document has.
        errors: that it may answer with, besides :data:`EVERYWHERE` and those of keys.
        is_open: whether it needs no key, where the operator does not say otherwise.
        listed: what the docs' table of routes says, where the summary does not fit there.
    """

    path: str
    handler: Handler
    group: Group
    summary: str
    methods: tuple[str, ...] = READ
    shape: Callable[[LiveModel | None], Shape] | None = None
    errors: tuple[type[ApiError], ...] = ()
    is_open: bool = False
    listed: str = ""

    def __post_init__(self) -> None:
        if not self.path.startswith(self.group.prefix or "/"):
            raise ValueError(f"Expected a path below '{self.group.prefix or '/'}'. Received: '{self.path}'.")
        if not self.methods:
            raise ValueError(f"Expected at least one method for {self.path}. Received: none.")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(_NAMES.findall(self.path))

    @property
    def pattern(self) -> str:
        """A regular expression for the path with a group for each of its parameters."""
        return r"([^/:]+)".join(re.escape(part) for part in _NAMES.split(self.path)[::2])

    @property
    def all_errors(self) -> tuple[type[ApiError], ...]:
        """The errors that it may answer with, but those of keys."""
        return (*self.errors, *EVERYWHERE)

    def statuses(self) -> set[int]:
        """Their statuses, as its protocol has them."""
        is_plain = self.group.has_plain_errors
        return {plain_status(kind.status) if is_plain else kind.status for kind in self.all_errors}


def open_paths(operations: Iterable[Operation], settings: Settings) -> frozenset[str]:
    """The paths that need no key: those that the operator names, else those whose records say so."""
    if settings.open_paths is None:
        return frozenset(operation.path for operation in operations if operation.is_open)
    return frozenset(Settings.listed(settings.open_paths))
