"""Reads and writes ``application/vnd.apache.arrow.stream``; Parquet's reader and writer use the same code.

Numbers, booleans and timestamps become arrays without a Python object for each value; strings become a
dictionary. A column whose type does not fit its feature becomes Python objects, and the encoding says which rows are
wrong. pyarrow is imported with the first request that needs it: without such a request a service needs 40 MB less.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from artifact.predictor import Predictor
from artifact.rows.moments import unwritable
from artifact.rows.schema import FeatureSchema, Kind
from artifact.rows.values import DictionaryColumn
from service.predict.looks import looks_like
from service.predict.parts import Options, Part, PartAnswer, feature_columns, sliced
from service.protocols.csv_format import answer_names, texts_of
from service.wire.errors import BodyFormatError, TooLargeError

if TYPE_CHECKING:
    import pyarrow as pa

_RECORD_BATCH = 3
_STREAM = b"\xff\xff\xff\xff"


def read_arrow(body: bytes, schema: FeatureSchema, options: Options, limit: int) -> Iterator[Part]:
    """The rows of an Arrow stream.

    Args:
        body: the whole body.
        schema: schema of the model that answers.
        options: the caller's options.
        limit: most bytes to which the compressed buffers of one batch may unpack; each buffer states its length.

    Raises:
        BodyFormatError: the body is not an Arrow stream, or is incomplete.
        InvalidRequestError: the columns do not fit the schema.
        TooLargeError: a batch unpacks to more than ``limit`` bytes.
    """
    import pyarrow as pa

    try:
        for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(body)):
            check_unpacked(message, limit)
        with pa.ipc.open_stream(pa.BufferReader(body)) as reader:
            positions = feature_columns(schema, reader.schema.names, options)
            for batch in reader:
                batch.validate(full=True)
                yield from parts_of(batch, positions, schema)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        received = looks_like(body, _reason(error), own=_STREAM)
        raise BodyFormatError(f"Expected an Arrow stream. Received: {received}.") from None


def parts_of(batch: pa.RecordBatch, positions: list[int], schema: FeatureSchema) -> Iterator[Part]:
    """The rows of a batch.

    Args:
        batch: the batch.
        positions: positions of the columns that are features.
        schema: schema of the model that answers.
    """
    columns: dict[str, Any] = {}
    for i in positions:
        feature = schema.feature(batch.schema.names[i])
        columns[feature.name] = _READERS[feature.kind](batch.column(i))
    yield from sliced(columns, batch.num_rows)


def check_unpacked(message: pa.Message, limit: int) -> None:
    """Refuse a batch whose compressed buffers say that they unpack to more than ``limit`` bytes.

    Arrow would allocate that memory at once.

    Raises:
        TooLargeError: the batch would unpack to more.
        ValueError: the message's metadata cannot be read.
    """
    if message.type != "record batch":
        return
    try:
        lengths = _unpacked_lengths(bytes(message.metadata), memoryview(message.body))
    except (struct.error, IndexError) as error:
        raise ValueError("a record batch without readable metadata") from error
    if sum(length for length in lengths if length > 0) > limit:
        raise TooLargeError(f"Expected a body of at most {limit} bytes when unpacked. Received: more.")


def _unpacked_lengths(metadata: bytes, body: memoryview) -> list[int]:
    """The unpacked length that each buffer of a compressed record batch states; empty where none is compressed."""
    # Metadata is a flatbuffer: Message {version, header_type, header, ...}, RecordBatch {length, nodes, buffers,
    # compression}; a buffer is a pair of int64, offset and length, and begins with its unpacked length.
    message = struct.unpack_from("<I", metadata, 0)[0]
    header = _field(metadata, message, 2)
    if header is None:
        return []
    header += struct.unpack_from("<I", metadata, header)[0]
    buffers, compression = _field(metadata, header, 2), _field(metadata, header, 3)
    if buffers is None or compression is None:
        return []
    vector = buffers + struct.unpack_from("<I", metadata, buffers)[0]
    lengths = []
    for i in range(struct.unpack_from("<I", metadata, vector)[0]):
        offset, length = struct.unpack_from("<qq", metadata, vector + 4 + 16 * i)
        if length >= 8:
            lengths.append(struct.unpack_from("<q", body, offset)[0])
    return lengths


def _field(metadata: bytes, table: int, index: int) -> int | None:
    """The position of a field in a flatbuffer's table, or None where the table lacks the field."""
    vtable = table - struct.unpack_from("<i", metadata, table)[0]
    if vtable < 0 or 4 + 2 * index >= struct.unpack_from("<H", metadata, vtable)[0]:
        return None
    offset = struct.unpack_from("<H", metadata, vtable + 4 + 2 * index)[0]
    return table + offset if offset else None


def _numbers(column: pa.Array) -> Any:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return _numbers(column.dictionary_decode())
    if pa.types.is_decimal(kind) or (pa.types.is_integer(kind) and column.null_count):
        column = column.cast(pa.float64(), safe=False)
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return _objects(column)
    return column.to_numpy(zero_copy_only=False)


def _booleans(column: pa.Array) -> Any:
    import pyarrow as pa

    if not pa.types.is_boolean(column.type):
        return _objects(column)
    return column.cast(pa.uint8()).cast(pa.float64()).to_numpy(zero_copy_only=False)


def _strings(column: pa.Array) -> Any:
    import pyarrow as pa

    kind = column.type
    if not pa.types.is_dictionary(kind):
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
            return _objects(column)
        column = (column.cast(pa.large_string()) if pa.types.is_string_view(kind) else column).dictionary_encode()
    values = column.dictionary.to_pylist()
    if not all(isinstance(value, str) for value in values):
        return _objects(column)
    indices = column.indices
    if indices.null_count:
        indices = indices.cast(pa.int64()).fill_null(-1)
    return DictionaryColumn(indices.to_numpy(zero_copy_only=False).astype(np.int64, copy=False), values)


def _datetimes(column: pa.Array) -> Any:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        moments = column.to_numpy(zero_copy_only=False)
        # Checking the first and the last moment costs a tenth of checking all; fmin and fmax ignore missing ones.
        if len(moments) and unwritable(np.array([np.fmin.reduce(moments), np.fmax.reduce(moments)])).any():
            is_unwritable = unwritable(moments)
            # Such moments are seconds in the year 40000, or milliseconds labelled as seconds. Cast to microseconds they
            # would overflow to another moment.
            entries = zip(moments, np.isnat(moments).tolist(), is_unwritable.tolist(), strict=True)
            return [None if missing else str(moment) if as_str else moment for moment, missing, as_str in entries]
        # Nanoseconds are rounded down, as NumPy does.
        zone = getattr(column.type, "tz", None)
        return column.cast(pa.timestamp("us", zone), safe=False).to_numpy(zero_copy_only=False)
    return _objects(column)


_READERS: dict[Kind, Callable[[Any], Any]] = {
    "number": _numbers,
    "integer": _numbers,
    "boolean": _booleans,
    "category": _strings,
    "datetime": _datetimes,
}


def _objects(column: pa.Array) -> list[Any]:
    """Values of a type that does not fit the feature, as Python objects: the encoding refuses them with their rows."""
    try:
        objects: list[Any] = column.to_pylist()
    except (ArithmeticError, LookupError, NotImplementedError, ValueError):
        # Python cannot hold some values of Arrow: a moment in the year 300,000, a time zone that does not exist.
        objects = [column.type if value.is_valid else None for value in column]
    return objects


def _reason(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0][:200].rstrip(".") if lines else type(error).__name__


class TableWriter:
    """Collects answers as an Arrow table with the columns of a CSV answer; the schema's metadata name the version.

    Args:
        predictor: the version that answers.
        with_errors: whether the table has a column ``error``.
    """

    def __init__(self, predictor: Predictor, *, with_errors: bool) -> None:
        import pyarrow as pa

        wide = any(target.offset for target in predictor.schema.targets)
        number = pa.float64() if wide else pa.float32()
        fields = [(name, number) for name in answer_names(predictor)]
        fields += [(name, pa.string()) for name in (("warnings", "error") if with_errors else ("warnings",))]
        metadata = {"model_name": predictor.model_name, "model_version": predictor.model_version}
        self.schema = pa.schema(fields, metadata=metadata)
        self._number = number.to_pandas_dtype()
        self._with_errors = with_errors
        self._parts: list[tuple[PartAnswer, list[str | None], list[str | None]]] = []

    def add(self, answer: PartAnswer) -> bytes:
        warnings, errors = texts_of(answer) if answer.warnings or answer.errors else ([], [])
        self._parts.append((answer, warnings, errors))
        return b""

    def batch(self) -> pa.RecordBatch:
        """All rows that have been added."""
        import pyarrow as pa

        columns: list[Any] = []
        for j in range(len(self.schema.names[: -2 if self._with_errors else -1]) // 3):
            for end in ("value", "lower", "upper"):
                column = np.concatenate([getattr(answer, end)[:, j] for answer, _, _ in self._parts])
                mask = np.isnan(column) if self._with_errors else None
                columns.append(pa.array(column.astype(self._number, copy=False), mask=mask))
        sizes = [answer.n_rows for answer, _, _ in self._parts]
        for column_parts in zip(*(part[1:] for part in self._parts), strict=True):
            if not any(column_parts):
                columns.append(pa.nulls(sum(sizes), pa.string()))
                continue
            texts = [text for part, n in zip(column_parts, sizes, strict=True) for text in part or [None] * n]
            columns.append(pa.array(texts, pa.string()))
        if not self._with_errors:
            columns.pop()
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


class ArrowWriter(TableWriter):
    """Writes answers as an Arrow stream of one batch."""

    def close(self) -> bytes:
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.schema) as stream:
            stream.write_batch(self.batch())
        body: bytes = sink.getvalue().to_pybytes()
        return body
