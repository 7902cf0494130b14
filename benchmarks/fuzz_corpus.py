"""The fuzzer's first inputs: valid requests for every body parser, and tables of every type that Arrow has."""

from __future__ import annotations

import gzip
import json
import mmap
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import zstandard

from service.protocols import open_inference_pb2 as pb
from tests.builders import build_schema, sample_rows
from tests.service.protocols.bodies import ARROW, BODIES, CSV, JSON, NDJSON, PARQUET, arrow_stream, parquet_file
from tests.service.protocols.conftest import binary_inputs, json_inputs

SCHEMA = build_schema()
MODEL = "houses"
_CURRENT_BYTES = 8 * 2**20
# gzip would write the time of day into its header.
_PACKING: dict[str, Callable[[bytes], bytes]] = {"gzip": partial(gzip.compress, mtime=0), "zstd": zstandard.compress}


@dataclass(frozen=True)
class Case:
    """One input: a request over HTTP, or a gRPC message if ``path`` is ``grpc``.

    Attributes:
        headers: name in lower case to value.
        cuts: positions at which the body is cut into the pieces that arrive.
    """

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    query: str = ""
    cuts: tuple[int, ...] = ()

    def with_body(self, body: bytes) -> Case:
        return replace(self, body=body)

    def pack(self) -> bytes:
        head = {"path": self.path, "headers": self.headers, "query": self.query, "cuts": self.cuts}
        return json.dumps(head).encode() + b"\n" + self.body

    @classmethod
    def read_from(cls, packed: bytes) -> Case:
        head, _, body = packed.partition(b"\n")
        fields = json.loads(head)
        headers = tuple((name, value) for name, value in fields["headers"])
        return cls(fields["path"], headers, body, fields["query"], tuple(fields["cuts"]))


class Current:
    """A file that always has the last input, even if the process that wrote it has ended.

    Args:
        file: path of the file, which is made anew.
    """

    def __init__(self, file: Path) -> None:
        with file.open("wb+") as opened:
            opened.truncate(_CURRENT_BYTES)
            self._map = mmap.mmap(opened.fileno(), _CURRENT_BYTES)

    def keep(self, case: Case) -> None:
        packed = case.pack()[: _CURRENT_BYTES - 8]
        self._map[: 8 + len(packed)] = struct.pack("<Q", len(packed)) + packed

    @staticmethod
    def last(file: Path) -> bytes:
        """The input that was written last, as :meth:`Case.pack` made it."""
        data = file.read_bytes()
        return data[8 : 8 + struct.unpack_from("<Q", data)[0]]


def corpus(name: str) -> list[Case]:
    """The valid requests of one parser."""
    return list(CORPORA[name]())


def _predict(media_type: str, body: bytes, **more: str) -> Case:
    return Case("/predict", (("content-type", media_type), *more.items()), body)


def _rows(sizes: tuple[int, ...] = (1, 3, 40)) -> Iterator[list[dict[str, Any]]]:
    for n in sizes:
        yield sample_rows(SCHEMA, n, seed=n)


def _format(*names: str) -> Callable[[], Iterator[Case]]:
    def cases() -> Iterator[Case]:
        for name in names:
            media_type, body_of = BODIES[name]
            for rows in _rows():
                body = body_of(rows)
                yield _predict(media_type, body)
                for packing, pack in _PACKING.items():
                    yield _predict(media_type, pack(body), **{"content-encoding": packing})

    return cases


def _tables(media_type: str) -> Callable[[], Iterator[Case]]:
    def cases() -> Iterator[Case]:
        yield from _format("arrow" if media_type == ARROW else "parquet")()
        for table in _odd_tables():
            try:
                if media_type == ARROW:
                    for options in ({}, {"compression": "zstd"}):
                        yield _predict(ARROW, arrow_stream(table, **options))
                else:
                    for chosen in ({}, {"compression": "zstd", "version": "1.0"}):
                        yield _predict(PARQUET, parquet_file(table, **chosen))
            except (pa.ArrowException, NotImplementedError):
                continue  # a type that the format does not have

    return cases


def _odd_tables() -> Iterator[pa.Table]:
    """Tables in which a feature's column has every type that there is."""
    usual = pa.Table.from_pylist(sample_rows(SCHEMA, 3))
    yield usual.slice(0, 0)
    yield usual.append_column("age", usual["age"])
    yield pa.concat_tables([usual] * 5)
    words = ["a", "", None]
    kinds = [pa.int8(), pa.uint64(), pa.bool_(), pa.time32("s"), pa.duration("us"), pa.date64(), pa.float32()]
    kinds += [pa.timestamp(unit, zone) for unit in ("s", "ns") for zone in (None, "UTC", "Asia/Tokyo", "No/where")]
    for column in (
        *(pa.Array.from_buffers(kind, 3, _buffers()) for kind in kinds),
        pa.array(np.array([1.5, np.nan, 2], np.float16)),
        pa.array([Decimal("1.5"), None, Decimal(2)]),
        pa.array([Decimal("1.5"), None, Decimal(2)], pa.decimal256(40, 3)),
        pa.array([2**62, None, -(2**62)], pa.timestamp("s")),
        *(pa.array(words, kind) for kind in (pa.string(), pa.large_string(), pa.string_view())),
        *(pa.array([b"a", b"\xff", None], kind) for kind in (pa.binary(), pa.binary_view(), pa.binary(1))),
        pa.array(words).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int8()), pa.array([1.5, 2])),
        pa.DictionaryArray.from_arrays(pa.array([0, 0, None]), pa.array(["gas", "gas"])),
        pa.array([[1.0], None, []]),
        pa.array([{"a": 1}, None, {"a": 2}]),
        pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())),
        pa.nulls(3),
        pa.RunEndEncodedArray.from_arrays([2, 3], [1.5, None]),
        pa.UnionArray.from_sparse(pa.array([0, 0, 0], pa.int8()), [pa.array([1.5, None, 2])]),
    ):
        for name in ("age", "town", "sold"):
            yield usual.set_column(usual.column_names.index(name), name, column)


def _buffers() -> list[pa.Buffer]:
    """Three values of a type of fixed width, the last of them null; any values will do."""
    return [pa.py_buffer(b"\x03"), pa.py_buffer(bytes(range(64)))]


def _oip_json() -> Iterator[Case]:
    path = f"/v2/models/{MODEL}/infer"
    for rows in _rows():
        body = {"id": "a", "parameters": {"interval": 0.8}, "inputs": json_inputs(SCHEMA, rows)}
        for outputs in (None, [{"name": "value"}], [{"name": "upper", "parameters": {"binary_data": True}}]):
            yield Case(path, (("content-type", JSON),), json.dumps({**body, "outputs": outputs}).encode())


def _oip_binary() -> Iterator[Case]:
    for rows in _rows():
        inputs, parts = binary_inputs(SCHEMA, rows)
        head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        headers = (("inference-header-content-length", str(len(head))), ("content-type", "application/octet-stream"))
        yield Case(f"/v2/models/{MODEL}/infer", headers, head + b"".join(parts))


def _grpc() -> Iterator[Case]:
    for rows in _rows():
        inputs, parts = binary_inputs(SCHEMA, rows)
        raw = pb.ModelInferRequest(model_name=MODEL, id="a")
        typed = pb.ModelInferRequest(model_name=MODEL)
        raw.parameters["interval"].string_param = "0.8"
        for tensor, part in zip(inputs, parts, strict=True):
            raw.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
            kind = tensor["datatype"]
            added = typed.inputs.add(name=tensor["name"], datatype=kind, shape=tensor["shape"])
            values = [row[tensor["name"]] for row in rows]
            if kind == "BYTES":
                added.contents.bytes_contents.extend((value or "").encode() for value in values)
            elif kind == "INT64":
                added.contents.int64_contents.extend(values)
            elif kind == "BOOL":
                added.contents.bool_contents.extend(values)
            else:
                added.contents.fp64_contents.extend(struct.unpack(f"<{len(rows)}d", part))
        raw.raw_input_contents.extend(parts)
        for message in (raw, typed):
            yield Case("grpc", (), message.SerializeToString())


def _tf_serving() -> Iterator[Case]:
    for rows in _rows():
        columns = {name: [row[name] for row in rows] for name in SCHEMA.names}
        lists = [list(row.values()) for row in rows]
        for body in (
            {"instances": rows, "interval": 0.8},
            {"instances": lists},
            {"inputs": columns},
            {"inputs": lists},
        ):
            yield Case(f"/v1/models/{MODEL}:predict", (), json.dumps(body).encode())


# From a parser to its valid requests. Compressed bodies are damaged before or after their compression.
CORPORA: dict[str, Callable[[], Iterator[Case]]] = {
    "json": _format("rows", "columns"),
    "csv": _format("csv"),
    "ndjson": _format("ndjson"),
    "arrow": _tables(ARROW),
    "parquet": _tables(PARQUET),
    "oip-json": _oip_json,
    "oip-binary": _oip_binary,
    "oip-grpc": _grpc,
    "tf-serving": _tf_serving,
}
ACCEPTED = (JSON, CSV, NDJSON, ARROW, PARQUET)
