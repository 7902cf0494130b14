"""``POST /predict``: rows in, predictions out, in the formats of :mod:`service.protocols.formats`.

A small JSON request goes through the batcher, with as little as can be before it. Any other is read, predicted and
written in parts by :mod:`service.predict.bulk`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from artifact.predictor import Predictor
from service.live.model import LiveModel
from service.predict.bulk import BulkRun
from service.predict.lane import Work
from service.predict.parts import Options, Part
from service.protocols import formats
from service.protocols.any_body import LARGE
from service.protocols.csv_format import CsvWriter, read_csv
from service.protocols.formats import Wanted, wanted
from service.protocols.json_answers import JsonColumnsWriter, JsonRowsWriter, NdjsonWriter, Writer
from service.protocols.json_bulk import JsonBulkReader, NotCutError
from service.protocols.ndjson import NdjsonStream, read_ndjson, with_last_error
from service.settings.settings import Settings
from service.wire.compression import Unpacker, packed
from service.wire.http import JSON as JSON_TYPE
from service.wire.http import Receive, Reply, Scope, StreamReply, read_announced_body, read_body
from service.worker import Worker

_SMALL_DIGITS = 5
_ANY = (b"*/*", JSON_TYPE)
_TELLING = frozenset((b"content-type", b"content-length", b"accept", b"content-encoding"))
_ON_ERROR = b'"on_error"'


async def predict(worker: Worker, scope: Scope, receive: Receive) -> Reply | StreamReply:
    """Answer one request: by the batcher where it is small and plain, else by the bulk lane or as a stream."""
    settings = worker.settings
    if is_plain(scope, settings.max_body_bytes):
        body = await read_announced_body(scope, receive, limit=settings.max_body_bytes, seconds=settings.body_seconds)
        if len(body) <= LARGE and _ON_ERROR not in body:
            return Reply(await worker.predict(body, receive))
        return await _bulk(worker, worker.deployment.route(), wanted(scope["headers"], b""), body)
    asked = wanted(scope["headers"], scope.get("query_string", b""))
    model = worker.deployment.route()
    Unpacker(asked.encoding, None)
    if asked.takes == asked.gives == formats.NDJSON:
        return await _stream(worker, model, asked, receive)
    limit = settings.max_body_bytes if asked.takes == formats.JSON else settings.max_bulk_bytes
    body = await read_body(scope, receive, limit=limit, seconds=settings.body_seconds)
    return await _bulk(worker, model, asked, body)


def is_plain(scope: Scope, limit: int) -> bool:
    """Whether a request is JSON of at most ``limit`` bytes, wants JSON and has no query; nearly every one is.

    Its headers then need no closer look, and its body lies ready in most cases.
    """
    if scope.get("query_string"):
        return False
    for name, value in scope["headers"]:
        if name in _TELLING and (
            (name == b"content-type" and value != JSON_TYPE)
            or (name == b"content-length" and (len(value) > _SMALL_DIGITS or int(value) > limit))
            or (name == b"accept" and value not in _ANY)
            or name == b"content-encoding"
        ):
            return False
    return True


async def _bulk(worker: Worker, model: LiveModel, asked: Wanted, body: bytes) -> Reply:
    runs: list[BulkRun] = []
    with worker.bulk.place(worker.metrics):
        try:
            return await worker.bulk.run(_work(model, asked, body, worker.settings, runs))
        finally:
            for run in runs:
                run.count(worker.metrics)


async def _stream(worker: Worker, model: LiveModel, asked: Wanted, receive: Receive) -> StreamReply:
    settings = worker.settings
    run = BulkRun(model.core, asked.options, None)
    place = worker.bulk.place(worker.metrics)
    stream = NdjsonStream(
        run,
        encoding=asked.encoding,
        max_line=settings.max_line_bytes,
        lane=worker.bulk,
        metrics=worker.metrics,
        seconds=settings.body_seconds,
    )

    async def pieces() -> AsyncIterator[bytes]:
        with place:
            async for piece in stream.answers(receive):
                yield piece

    rest = pieces()
    # The status is sent with the first answers: what is wrong before them is an error like any other.
    first = await anext(rest)
    headers = ((b"content-type", formats.NDJSON.encode()), *_version_headers(model))
    return StreamReply(with_last_error(first, rest), headers)


def _work(model: LiveModel, asked: Wanted, body: bytes, settings: Settings, runs: list[BulkRun]) -> Work[Reply]:
    """The whole way of a request, to be run in the bulk lane's thread."""
    if asked.encoding != "identity":
        unpacker = Unpacker(asked.encoding, settings.max_unpacked_bytes)
        pieces = []
        for piece in unpacker.feed(body):
            pieces.append(piece)
            yield
        unpacker.finish()
        body = b"".join(pieces)
    if asked.takes == formats.JSON:
        try:
            found = yield from _json(model, asked, body, settings, runs, cut=True)
        except NotCutError:
            runs.clear()
            found = yield from _json(model, asked, body, settings, runs, cut=False)
    else:
        run = BulkRun(model.core, asked.options, settings.max_bulk_rows)
        runs.append(run)
        writer = _writer(asked.gives, model.predictor, asked.options, by_column=True)
        found = yield from _answered(run, _parts(asked, body, model.predictor, settings), writer)
    headers = () if asked.gives == formats.JSON else _version_headers(model)
    if asked.packing is not None:
        headers = (*headers, (b"vary", b"accept-encoding"))
        if len(found) >= settings.compress_bytes:
            headers = (*headers, (b"content-encoding", asked.packing.encode()))
            found = packed(found, asked.packing)
    return Reply(found, content_type=asked.gives.encode(), headers=headers)


def _json(
    model: LiveModel, asked: Wanted, body: bytes, settings: Settings, runs: list[BulkRun], *, cut: bool
) -> Work[bytes]:
    reader = JsonBulkReader(model.predictor.encoder, settings.max_rows)
    request = reader.read(body, asked.options, cut=cut)
    run = BulkRun(model.core, request.options, settings.max_rows)
    runs.append(run)
    writer = _writer(asked.gives, model.predictor, request.options, by_column=request.by_column)
    return (yield from _answered(run, request.parts, writer))


def _answered(run: BulkRun, parts: Iterator[Part], writer: Writer) -> Work[bytes]:
    pieces = []
    for part in parts:
        if part.n_rows:
            answered = run.answer(part)
            if answered is not None:
                pieces.append(writer.add(answered))
        yield
    run.finish()
    pieces.append(writer.close())
    return b"".join(pieces)


def _parts(asked: Wanted, body: bytes, predictor: Predictor, settings: Settings) -> Iterator[Part]:
    schema, options, limit = predictor.schema, asked.options, settings.max_unpacked_bytes
    if asked.takes == formats.CSV:
        return read_csv(body, schema, options)
    if asked.takes == formats.NDJSON:
        return read_ndjson(body, schema, options, settings.max_line_bytes)
    if asked.takes == formats.ARROW:
        from service.protocols.arrow import read_arrow

        return read_arrow(body, schema, options, limit)
    from service.protocols.parquet import read_parquet

    return read_parquet(body, schema, options, limit, settings.max_bulk_rows)


def _writer(gives: str, predictor: Predictor, options: Options, *, by_column: bool) -> Writer:
    if gives == formats.JSON:
        if by_column:
            return JsonColumnsWriter(predictor, with_errors=options.by_row)
        return JsonRowsWriter(predictor)
    if gives == formats.NDJSON:
        return NdjsonWriter(predictor)
    if gives == formats.CSV:
        return CsvWriter(predictor, with_errors=options.by_row)
    if gives == formats.ARROW:
        from service.protocols.arrow import ArrowWriter

        return ArrowWriter(predictor, with_errors=options.by_row)
    from service.protocols.parquet import ParquetWriter

    return ParquetWriter(predictor, with_errors=options.by_row)


def _version_headers(model: LiveModel) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"x-model-name", model.name.encode()), (b"x-model-version", model.version.encode()))
