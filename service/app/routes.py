"""Routes: finds the operation of a path in the records, and makes the error for a path that has none."""

from __future__ import annotations

import re
from collections.abc import Iterable

from service.protocols.operation import Operation
from service.wire.errors import ApiError, NoRouteError


class Routes:
    """Finds the operation of a path.

    Args:
            operations: all operations, each with a path of its own.

    Attributes:
        fixed: the operations whose paths have no parameters, by path. Paths with parameters do not slow these down.
        methods: every method that some operation has.
    """

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.operations = tuple(operations)
        self.fixed = {operation.path: operation for operation in self.operations if not operation.parameters}
        self.methods = tuple(sorted({method for operation in self.operations for method in operation.methods}))
        self._below = tuple({f"{operation.group.prefix}/" for operation in self.operations if operation.group.prefix})
        # One expression for all paths with parameters: a group around each path, and in it a group for each parameter.
        self._by_group: dict[int, Operation] = {}
        patterns: list[str] = []
        group = 1
        for operation in self.operations:
            if operation.parameters:
                self._by_group[group] = operation
                patterns.append(f"({operation.pattern})")
                group += 1 + len(operation.parameters)
        self._pattern = re.compile("|".join(patterns) or "(?!)")

    def find(self, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation of a path with parameters, and the parameters' values; None where no operation has the path."""
        match = self._pattern.fullmatch(path)
        if match is None or match.lastindex is None:
            return None
        # The group that closes last is the one around the whole path.
        operation = self._by_group[match.lastindex]
        values = match.groups()[match.lastindex :]
        return operation, dict(zip(operation.parameters, values, strict=False))

    def unknown(self, path: str) -> NoRouteError:
        """The error for a path that does not exist; it lists the paths of the protocol that the path seems to mean."""
        is_plain = self.has_plain_errors(path)
        return NoRouteError(path, [o.path for o in self.operations if o.group.has_plain_errors == is_plain])

    def adapted(self, path: str, error: ApiError) -> ApiError:
        """The error in the form that the protocol of a path uses."""
        return error.plain() if self.has_plain_errors(path) else error

    def has_plain_errors(self, path: str) -> bool:
        """Whether a path, known or unknown, belongs to a protocol with plain errors."""
        operation = self.fixed.get(path)
        return path.startswith(self._below) if operation is None else operation.group.has_plain_errors
