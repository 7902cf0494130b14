"""Datatypes of the Open Inference Protocol: the elements of one tensor, from bytes and from JSON, and to bytes.

Numbers become float64, the only form in which the encoding takes them; missing is NaN, or ``null`` in JSON. BYTES
become strings; an element of no bytes, or ``null`` in JSON, is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.errors import Fault
from artifact.rows.schema import Kind
from service.wire.errors import Described, InvalidRequestError

Floats = npt.NDArray[np.float64]
Strings = list[str | None]
Values = Floats | Strings

FLOATS = ("FP64", "FP32", "FP16")
INTEGERS = ("INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8")
BYTES = "BYTES"
# A BOOL is read as a byte: what is neither 0 nor 1 is then refused like any other value of a boolean.
_NUMPY = {f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)} | {"BOOL": "<u1"}
_NUMPY |= {f"{sign}INT{bits}": f"<{sign.lower() or 'i'}{bits // 8}" for sign in ("", "U") for bits in (8, 16, 32, 64)}
_LENGTH_BYTES = 4

# Which datatypes fit a feature; the first is what metadata says.
FITTING: dict[Kind, tuple[str, ...]] = {
    "number": (*FLOATS, *INTEGERS),
    "integer": (*INTEGERS, *FLOATS),
    "boolean": ("BOOL", *INTEGERS, *FLOATS),
    "category": (BYTES,),
    "datetime": (BYTES,),
}
ALL = ("BOOL", *INTEGERS, *FLOATS, BYTES)


def fault(field: str | None, message: str, received: Any, *, row: int | None = None) -> InvalidRequestError:
    """The refusal of one tensor or parameter."""
    return InvalidRequestError([Fault(row, field, message, received, "type")])


def check_datatype(name: str, datatype: Any) -> str:
    """The datatype, if there is one of that name."""
    if isinstance(datatype, str) and datatype in ALL:
        return datatype
    raise fault(name, f"Expected a datatype of {', '.join(ALL)}.", datatype)


def from_bytes(name: str, datatype: str, size: int, data: bytes | memoryview) -> Values:
    """``size`` elements from the bytes of a tensor, little-endian, BYTES each after its length in 4 bytes.

    Raises:
        InvalidRequestError: other bytes than ``size`` elements have.
    """
    if datatype == BYTES:
        return _strings_from_bytes(name, size, data)
    dtype = np.dtype(_NUMPY[datatype])
    expected = size * dtype.itemsize
    if len(data) != expected:
        raise fault(
            name, f"Expected {expected} bytes, for {size} elements of {datatype}.", Described(f"{len(data)} bytes")
        )
    # A signalling NaN is one too.
    with np.errstate(all="ignore"):
        return np.frombuffer(data, dtype=dtype).astype(np.float64)


def _strings_from_bytes(name: str, size: int, data: bytes | memoryview) -> Strings:
    view = memoryview(data)
    if size * _LENGTH_BYTES > len(view):
        message = f"Expected {size} elements, each after its length in {_LENGTH_BYTES} bytes."
        raise fault(name, message, Described(f"{len(view)} bytes"))
    found: Strings = []
    at = 0
    for row in range(size):
        start = at + _LENGTH_BYTES
        length = int.from_bytes(view[at:start], "little")
        at = start + length
        if start > len(view) or at > len(view):
            left = max(len(view) - start, 0)
            raise fault(name, f"Expected an element of {length} bytes.", Described(f"{left} bytes"), row=row)
        found.append(text(name, bytes(view[start:at]), row))
    if at != len(view):
        raise fault(name, f"Expected {at} bytes, for {size} elements.", Described(f"{len(view)} bytes"))
    return found


def text(name: str, element: bytes, row: int) -> str | None:
    """One element of a BYTES tensor."""
    try:
        return element.decode() or None
    except UnicodeDecodeError:
        raise fault(name, "Expected UTF-8.", Described(repr(element[:40])), row=row) from None


def from_json(name: str, datatype: str, values: list[Any]) -> Values:
    """Elements from JSON; numbers are taken as they are written, FP32 no narrower than FP64.

    Raises:
        InvalidRequestError: a value that is not of the datatype.
    """
    if datatype == BYTES:
        _check_types(name, values, (str,), "Expected a string or null.")
        return [value or None for value in values]
    if datatype == "BOOL":
        _check_types(name, values, (bool,), "Expected true, false or null.")
    elif datatype in FLOATS:
        _check_types(name, values, (int, float), "Expected a number or null.")
    else:
        _check_types(name, values, (int,), "Expected an integer or null.")
        limits = np.iinfo(_NUMPY[datatype])
        for row, value in enumerate(values):
            if value is not None and not limits.min <= value <= limits.max:
                raise fault(name, f"Expected {datatype}, {limits.min} to {limits.max}.", value, row=row)
    return np.array(values, dtype=np.float64)


def _check_types(name: str, values: Sequence[Any], types: tuple[type, ...], rule: str) -> None:
    known = {*types, type(None)}
    if set(map(type, values)) <= known:
        return
    row, value = next((i, v) for i, v in enumerate(values) if type(v) not in known)
    raise fault(name, rule, value, row=row)


def to_bytes(values: Sequence[float]) -> bytes:
    """An FP64 tensor."""
    return np.array(values, dtype="<f8").tobytes()
