"""``application/vnd.apache.parquet``: a file in, a file out, with the columns of :mod:`service.protocols.arrow`."""

from __future__ import annotations

from collections.abc import Iterator

from artifact.rows.schema import FeatureSchema
from service.predict.looks import looks_like
from service.predict.parts import Options, Part, feature_columns
from service.protocols.arrow import TableWriter, parts_of
from service.wire.errors import BodyFormatError, TooLargeError

_PARQUET = b"PAR1"
_BATCH_ROWS = 16_384


def read_parquet(body: bytes, schema: FeatureSchema, options: Options, limit: int, max_rows: int) -> Iterator[Part]:
    """The rows of a Parquet file, read a few thousand at a time.

    Args:
        body: the whole file.
        schema: schema of the model that answers.
        options: the caller's options.
        limit: most unpacked bytes that the file's metadata may state.
        max_rows: most rows that the metadata may state.

    Raises:
        BodyFormatError: the body is not a Parquet file, or is incomplete.
        InvalidRequestError: the columns do not fit the schema.
        TooLargeError: the metadata state more rows or bytes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(body)) as file:
            if file.metadata.num_rows > max_rows:
                raise TooLargeError.rows(max_rows, file.metadata.num_rows)
            size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
            if size > limit:
                raise TooLargeError(f"Expected a body of at most {limit} bytes when unpacked. Received: {size} bytes.")
            names = file.schema_arrow.names
            positions = feature_columns(schema, names, options)
            for batch in file.iter_batches(_BATCH_ROWS, columns=[names[i] for i in positions], use_threads=False):
                at = {name: i for i, name in enumerate(batch.schema.names)}
                yield from parts_of(batch, [at[names[i]] for i in positions], schema)
    except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        received = looks_like(body, lines[0][:200].rstrip("."), own=_PARQUET)
        raise BodyFormatError(f"Expected a Parquet file. Received: {received}.") from None


class ParquetWriter(TableWriter):
    """Writes answers as a Parquet file of one row group."""

    def close(self) -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_batches([self.batch()]), sink, compression="zstd", use_dictionary=False)
        body: bytes = sink.getvalue().to_pybytes()
        return body
