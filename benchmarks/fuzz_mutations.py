"""Damages a valid request: its bytes, its JSON, its compression, its headers and its query."""

from __future__ import annotations

import gzip
import json
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import zstandard

from benchmarks.fuzz_corpus import ACCEPTED, Case

# Raw JSON that json.dumps never writes; it replaces a mark.
_MARK = "@@mark@@"
_RAW = ("NaN", "-Infinity", "1e999", "-0", "0" * 40 + "1", "1" * 400, "1e-400", "[" * 3000, '{"a":' * 2000, "nul")
_RAW += ('"\\ud800"', '"\\x"', '"\n"', "[" * 500 + "]" * 500, '{"age":1,"age":2}', "1.", "+1", "0x10", "'a'", "")
_VALUES: tuple[Any, ...] = (None, True, 0, -1, 2**31, 2**63, 2**64, -(2**63) - 1, 1e308, 0.5, "", "a", "\0", "0" * 3000)
_VALUES += (
    "9999-99-99",
    "0000-00-00",
    "-1",
    "é" * 200,
    [],
    {},
    [[]],
    [None],
    {"": None},
    [[[1]]],
    {"rows": []},
    10**30,
)
_NUMBERS = (0, 1, -1, 127, 128, 255, 2**15, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63))
_TOKENS = tuple(b'{ } [ ] " , : \\ \n \r\n \r \t ; null true NaN 1e999 "rows":[ "columns":{ ARROW1 PAR1'.split(b" "))
_TOKENS += (b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3\x28", b"\xed\xa0\x80", b"\0", b"\xff\xff\xff\xff", b'""', b'"a\nb"')
_QUERIES = ("interval=0.5", "interval=nan", "interval=1e-320", "on_error=row", "on_error=rows", "extra=ignore", "a=b")
_QUERIES += ("on_error=row&extra=ignore", "&" * 50, "interval=%ff", "on_error=row&on_error=request", "interval=")
_BOMB = 32 * 2**20


def mutated(rng: random.Random, case: Case, others: list[Case]) -> Case:
    """``case`` with one to four faults; sometimes without any."""
    packing = dict(case.headers).get("content-encoding")
    body = case.body
    if packing is not None and rng.random() < 0.7:
        # Inside the compression: the damaged body can be unpacked.
        body = gzip.decompress(body) if packing == "gzip" else zstandard.decompress(body)
        body = _damaged(rng, body, [])
        body = gzip.compress(body, 1, mtime=0) if packing == "gzip" else zstandard.compress(body, 1)
    elif rng.random() < 0.95:
        body = _damaged(rng, body, others)
    case = replace(case, body=body)
    if rng.random() < 0.25:
        case = _about_the_body(rng, case)
    if rng.random() < 0.1:
        case = _packed(rng, case)
    return replace(case, cuts=tuple(sorted(rng.randrange(len(case.body) + 1) for _ in range(rng.choice((0, 0, 1, 3))))))


def _damaged(rng: random.Random, body: bytes, others: list[Case]) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 4))):
        if body[:1] in (b"{", b"[") and rng.random() < 0.6:
            body = _json(rng, body)
        else:
            body = rng.choice(_BYTES)(rng, bytearray(body), others)
    return body


def _flip(rng: random.Random, body: bytearray, _others: list[Case]) -> bytes:
    for _ in range(rng.choice((1, 1, 3, 20)) if body else 0):
        body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    return bytes(body)


def _cut(rng: random.Random, body: bytearray, _others: list[Case]) -> bytes:
    start, end = sorted(rng.randrange(len(body) + 1) for _ in range(2))
    if rng.random() < 0.5:
        end = min(end, start + 8)
    del body[start : rng.choice((end, len(body)))]
    return bytes(body)


def _double(rng: random.Random, body: bytearray, _others: list[Case]) -> bytes:
    start, end = sorted(rng.randrange(len(body) + 1) for _ in range(2))
    body[start:start] = body[start : min(end, start + 500)] * rng.choice((1, 2, 50))
    return bytes(body)


def _insert(rng: random.Random, body: bytearray, _others: list[Case]) -> bytes:
    at = rng.randrange(len(body) + 1)
    token = rng.choice(_TOKENS)
    body[at : at + rng.choice((0, len(token)))] = token
    return bytes(body)


def _number(rng: random.Random, body: bytearray, _others: list[Case]) -> bytes:
    """Replace a number of 1 to 8 bytes, as lengths and offsets of binary formats are, by an unusual one."""
    size, letter = rng.choice(((1, "B"), (2, "H"), (4, "I"), (8, "Q")))
    value = (rng.choice(_NUMBERS) + rng.choice((0, 0, 1, -1))) % 2 ** (8 * size)
    if len(body) >= size:
        at = rng.randrange(len(body) - size + 1)
        at -= at % size if rng.random() < 0.7 else 0
        body[at : at + size] = struct.pack(("<" if rng.random() < 0.8 else ">") + letter, value)
    return bytes(body)


def _splice(rng: random.Random, body: bytearray, others: list[Case]) -> bytes:
    other = rng.choice(others).body if others else bytes(body)
    start, at = rng.randrange(len(other) + 1), rng.randrange(len(body) + 1)
    return bytes(body[:at]) + other[start:]


_BYTES: tuple[Callable[[random.Random, bytearray, list[Case]], bytes], ...] = (
    *(_flip, _cut, _double, _insert, _number, _number, _splice),
)


def _json(rng: random.Random, body: bytes) -> bytes:
    """Change one value, key or element of a JSON document; of several documents, one a line, change one."""
    lines = body.split(b"\n")
    i = rng.randrange(len(lines))
    try:
        document = json.loads(lines[i])
    except (ValueError, RecursionError):
        return rng.choice(_BYTES)(rng, bytearray(body), [])
    raw = rng.choice(_RAW)
    value = _MARK if rng.random() < 0.3 else rng.choice(_VALUES)
    at, key = document, None
    while isinstance(at, (dict, list)) and at:
        keys = list(at) if isinstance(at, dict) else range(len(at))
        parent, key = at, rng.choice(keys)
        at = parent[key]
        if rng.random() < 0.25:
            break
    if key is None:
        document = value
    else:
        how = rng.randrange(6)
        if how == 0:
            del parent[key]
        elif how == 1 and isinstance(parent, dict):
            parent[rng.choice(("", "age", "inputs", "rows", "a" * 300, _MARK))] = parent.pop(key)
        elif how == 2 and isinstance(parent, list):
            parent[key:key] = [value] * rng.choice((1, 3, 600))
        else:
            parent[key] = value
    lines[i] = json.dumps(document).replace(f'"{_MARK}"', raw).encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def _about_the_body(rng: random.Random, case: Case) -> Case:
    """Change the query, or set an Accept, media type or length that is not the body's own."""
    headers = dict(case.headers)
    what = rng.randrange(5)
    if what == 0:
        return replace(case, query=rng.choice(_QUERIES))
    if what == 1:
        headers["accept"] = rng.choice((*ACCEPTED, "*/*;q=nan", "text/*", "a/b, */*;q=0.1", ";;,", "q=1" * 50))
    elif what == 2:
        headers["content-type"] = rng.choice((*ACCEPTED, "application/x+json; charset=utf-16", "", "a" * 300))
    elif what == 3:
        headers["inference-header-content-length"] = rng.choice(
            ("0", "1", "-1", str(10**19), "1e3", "٣", str(len(case.body)))
        )
    else:
        headers["accept-encoding"] = rng.choice(("gzip", "zstd", "gzip;q=0, zstd;q=inf", "*"))
    return replace(case, headers=tuple(headers.items()))


@lru_cache(64)
def bomb(packing: str, head: bytes) -> bytes:
    """A small body that unpacks to far more than any limit."""
    body = head + b" " * _BOMB
    return zstandard.compress(body) if packing == "zstd" else gzip.compress(body, 1, mtime=0)


def _packed(rng: random.Random, case: Case) -> Case:
    """Compress the body in a damaged or dangerous way."""
    body, how = case.body, rng.randrange(7)
    name = "zstd" if rng.random() < 0.5 else "gzip"
    pack: Callable[[bytes], bytes] = zstandard.compress if name == "zstd" else partial(gzip.compress, mtime=0)
    packed = {
        0: lambda: bomb(name, b""),
        1: lambda: bomb(name, body[:1]),
        2: lambda: pack(pack(body)),
        3: lambda: pack(body)[: rng.randrange(len(pack(body)))],
        4: lambda: pack(body) + b"rest",
        5: lambda: b"".join(pack(body[i : i + 3]) for i in range(0, min(len(body), 3000), 3)),
        6: lambda: zlib.compress(body),
    }[how]()
    if rng.random() < 0.3:
        packed = _flip(rng, bytearray(packed), [])
    headers = {**dict(case.headers), "content-encoding": rng.choice((name, name, name, "gzip", "br", "gzip, zstd"))}
    return replace(case, headers=tuple(headers.items()), body=packed)
