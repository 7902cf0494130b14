"""JSON as orjson reads it; where it refuses a body for its NaN, the body all the same, to say where they are."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson
from pydantic_core import from_json

from service.predict.looks import looks_like
from service.wire.errors import NotJSONError


class Read(NamedTuple):
    """A body.

    Attributes:
        document: what it holds.
        is_json: False where it holds NaN or infinities, which have to be refused by name.
    """

    document: Any
    is_json: bool


def loads(body: bytes) -> Read:
    """Read a body.

    Raises:
        orjson.JSONDecodeError: neither JSON nor what would be JSON but for NaN and infinities.
    """
    try:
        return Read(orjson.loads(body), True)
    except orjson.JSONDecodeError as problem:
        try:
            return Read(from_json(body), False)
        except ValueError:
            raise problem from None


def read_json(body: bytes) -> Read:
    """The same, for the body of a request.

    Raises:
        NotJSONError: see :func:`loads`.
    """
    try:
        return loads(body)
    except orjson.JSONDecodeError as error:
        raise NotJSONError(f"Expected a JSON body. Received: {looks_like(body, str(error))}.") from None
