"""Datatypes of the Open Inference Protocol: reads a tensor's elements from bytes and from JSON, and writes bytes.

Numbers become float64, the only type that the encoding takes; a missing one is NaN, or ``null`` in JSON. BYTES become
strings; an element without bytes, or ``null`` in JSON, is missing.
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
# A BOOL is read as a byte, so that a value other than 0 and 1 is refused like any wrong value of a boolean feature.
_NUMPY = {f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)} | {"BOOL": "<u1"}
_NUMPY |= {f"{sign}INT{bits}": f"<{sign.lower() or 'i'}{bits // 8}" for sign in ("", "U") for bits in (8, 16, 32, 64)}
_LENGTH_BYTES = 4

# The datatypes that fit a feature of a kind; metadata name the first.
FITTING: dict[Kind, tuple[str, ...]] = {
    "number": (*FLOATS, *INTEGERS),
    "integer": (*INTEGERS, *FLOATS),
    "boolean": ("BOOL", *INTEGERS, *FLOATS),
    "category": (BYTES,),
    "datetime": (BYTES,),
}
ALL = ("BOOL", *INTEGERS, *FLOATS, BYTES)


def fault(field: str | None, message: str, received: Any, *, row: int | None = None) -> InvalidRequestError:
    """The error about one tensor or parameter."""
    return InvalidRequestError([Fault(row, field, message, received, "type")])


def check_datatype(name: str, datatype: Any) -> str:
    """Return the datatype if it exists.

    Raises:
        InvalidRequestError: it does not.
    """
    if isinstance(datatype, str) and datatype in ALL:
        return datatype
    raise fault(name, f"Expected a datatype of {', '.join(ALL)}.", datatype)


def from_bytes(name: str, datatype: str, size: int, data: bytes | memoryview) -> Values:
    """Read ``size`` little-endian elements from a tensor's bytes; each element of BYTES follows its length in 4 bytes.

    Raises:
        InvalidRequestError: the number of bytes does not fit ``size`` elements.
    """
    if datatype == BYTES:
        return _strings_from_bytes(name, size, data)
    dtype = np.dtype(_NUMPY[datatype])
    expected = size * dtype.itemsize
    if len(data) != expected:
        raise fault(
            name, f"Expected {expected} bytes, for {size} elements of {datatype}.", Described(f"{len(data)} bytes")
        )
    # A signalling NaN is a NaN too, and NumPy need not warn of it.
    with np.errstate(all="ignore"):
        return np.frombuffer(data, dtype=dtype).astype(np.float64)


def _strings_from_bytes(name: str, size: int, data: bytes | memoryview) -> Strings:
    view = memoryview(data)
    if size * _LENGTH_BYTES > len(view):
        message = f"Expected {size} elements, each after its length in {_LENGTH_BYTES} bytes."
        raise fault(name, message, Described(f"{len(view)} bytes"))
    strings: Strings = []
    at = 0
    for row in range(size):
        start = at + _LENGTH_BYTES
        length = int.from_bytes(view[at:start], "little")
        at = start + length
        if start > len(view) or at > len(view):
            left = max(len(view) - start, 0)
            raise fault(name, f"Expected an element of {length} bytes.", Described(f"{left} bytes"), row=row)
        strings.append(text(name, bytes(view[start:at]), row))
    if at != len(view):
        raise fault(name, f"Expected {at} bytes, for {size} elements.", Described(f"{len(view)} bytes"))
    return strings


def text(name: str, element: bytes, row: int) -> str | None:
    """One element of a BYTES tensor."""
    try:
        return element.decode() or None
    except UnicodeDecodeError:
        raise fault(name, "Expected UTF-8.", Described(repr(element[:40])), row=row) from None


def from_json(name: str, datatype: str, values: list[Any]) -> Values:
    """Read elements from JSON; all numbers keep all their digits, even where the datatype is FP32.

    Raises:
        InvalidRequestError: a value is not of the datatype.
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
    allowed_types = {*types, type(None)}
    if set(map(type, values)) <= allowed_types:
        return
    row, value = next((i, v) for i, v in enumerate(values) if type(v) not in allowed_types)
    raise fault(name, rule, value, row=row)


def to_bytes(values: Sequence[float]) -> bytes:
    """The bytes of an FP64 tensor."""
    return np.array(values, dtype="<f8").tobytes()
