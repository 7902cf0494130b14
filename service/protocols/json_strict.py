"""Reads JSON by orjson. A body that orjson refuses because of NaN or infinities is read too, to say where they are."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson
from pydantic_core import from_json

from service.predict.looks import looks_like
from service.wire.errors import NotJSONError


class Read(NamedTuple):
    """A parsed body.

    Attributes:
        document: content of the body.
        is_json: False where it holds NaN or infinities; each of them has to be refused with its place.
    """

    document: Any
    is_json: bool


def loads(body: bytes) -> Read:
    """Parse a text.

    Raises:
        orjson.JSONDecodeError: the text is not JSON, even with NaN and infinities allowed.
    """
    try:
        return Read(orjson.loads(body), True)
    except orjson.JSONDecodeError as problem:
        try:
            return Read(from_json(body), False)
        except ValueError:
            raise problem from None


def read_json(body: bytes) -> Read:
    """Parse the body of a request.

    Raises:
        NotJSONError: the body is not JSON, even with NaN and infinities allowed.
    """
    try:
        return loads(body)
    except orjson.JSONDecodeError as error:
        raise NotJSONError(f"Expected a JSON body. Received: {looks_like(body, str(error))}.") from None
