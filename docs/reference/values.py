"""The values that a field of a pydantic model takes, in a few words."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Any

from pydantic.fields import FieldInfo

from docs.reference.markdown import code
from training.objectives.records import OneOf

# Words for values that code marks cannot show.
_NAMES = {"": "nothing", " ": "a space"}
_BOUNDS = ("ge", "gt", "le", "lt")


def choices(annotation: object) -> list[str]:
    """The words that an annotation allows."""
    if typing.get_origin(annotation) is typing.Literal:
        return [str(word) for word in typing.get_args(annotation)]
    for one in getattr(annotation, "__metadata__", ()):
        if isinstance(one, OneOf):
            return list(one.names)
    return [word for part in typing.get_args(annotation) for word in choices(part)]


def allowed(field: FieldInfo) -> str:
    """The values that a field takes; empty where any text will do."""
    if field.examples:
        return code(*field.examples) + " and so on"
    return _of(field.annotation, field.metadata)


def _of(annotation: Any, metadata: Sequence[Any]) -> str:
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    one_of = next((one for one in metadata if isinstance(one, OneOf)), None)
    if one_of is not None:
        return code(*one_of.names)
    if origin is typing.Annotated:
        return _of(parts[0], [*metadata, *annotation.__metadata__])
    if origin is typing.Literal:
        return ", ".join(_NAMES.get(word) or code(word) for word in parts)
    if origin in (typing.Union, UnionType):
        kinds = [part for part in parts if part is not NoneType]
        lists = [part for part in kinds if typing.get_origin(part) is tuple]
        single = [_of(part, metadata) for part in kinds if part not in lists]
        return ", ".join(single) + (
            "; or a list of such" if lists and single else "".join(_of(p, metadata) for p in lists)
        )
    if origin is tuple:
        return _list(parts[0], metadata)
    if annotation is bool:
        return "`true` or `false`"
    if annotation in (int, float):
        return _range(_limits(metadata)) or "a number"
    return "text" if annotation is str else ""


def _list(member: Any, metadata: Sequence[Any]) -> str:
    least, most = (next((getattr(m, k) for m in metadata if hasattr(m, k)), None) for k in ("min_length", "max_length"))
    words = choices(member)
    if words:
        return f"a list of {code(*words)}"
    return f"{least} to {most} numbers, each {_of(member, [])}" if most is not None else "a list of texts"


def _limits(metadata: Sequence[Any]) -> dict[str, float]:
    limits: dict[str, float] = {}
    for rule in metadata:
        # Annotated[float, Field(gt=0)] wraps its rules once more.
        for one in getattr(rule, "metadata", [rule]):
            limits |= {name: getattr(one, name) for name in _BOUNDS if getattr(one, name, None) is not None}
    return limits


def _range(limits: dict[str, float]) -> str:
    bounds = {name: f"{value:,}" for name, value in limits.items()}
    match sorted(bounds):
        case ["ge", "le"]:
            return f"{bounds['ge']} to {bounds['le']}"
        case ["ge", "lt"]:
            return f"{bounds['ge']} or more, below {bounds['lt']}"
        case ["gt", "lt"]:
            return f"between {bounds['gt']} and {bounds['lt']}"
        case ["gt", "le"]:
            return f"above {bounds['gt']}, at most {bounds['le']}"
        case ["ge"]:
            return f"{bounds['ge']} or more"
        case ["gt"]:
            return f"above {bounds['gt']}"
        case _:
            return ""
