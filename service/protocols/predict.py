"""``POST /predict``: rows in, predictions out, in the formats of :mod:`service.protocols.formats`.

A small JSON request goes to the batcher, with as few steps before it as possible. Any other request is read, predicted
and written in parts by :mod:`service.predict.bulk`.
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
from service.protocols.formats import Terms, read_terms
from service.protocols.json_answers import JsonColumnsWriter, JsonRowsWriter, NdjsonWriter, Writer
from service.protocols.json_bulk import JsonBulkReader, NotCutError
from service.protocols.ndjson import NdjsonStream, read_ndjson, with_last_error
from service.settings.settings import Settings
from service.wire.compression import Unpacker, pack
from service.wire.http import JSON as JSON_TYPE
from service.wire.http import Receive, Reply, Scope, StreamReply, read_announced_body, read_body
from service.worker import Worker

_SMALL_DIGITS = 5
_ANY = (b"*/*", JSON_TYPE)
_DECIDING_HEADERS = frozenset((b"content-type", b"content-length", b"accept", b"content-encoding"))
_ON_ERROR = b'"on_error"'


async def predict(worker: Worker, scope: Scope, receive: Receive) -> Reply | StreamReply:
    """Answer one request: by the batcher if it is small and plain, else in the bulk lane or as a stream."""
    settings = worker.settings
    if is_plain(scope, settings.max_body_bytes):
        body = await read_announced_body(scope, receive, limit=settings.max_body_bytes, seconds=settings.body_seconds)
        if len(body) <= LARGE and _ON_ERROR not in body:
            return Reply(await worker.predict(body, receive))
        return await _bulk(worker, worker.deployment.route(), read_terms(scope["headers"], b""), body)
    terms = read_terms(scope["headers"], scope.get("query_string", b""))
    model = worker.deployment.route()
    Unpacker(terms.encoding, None)
    if terms.body_type == terms.answer_type == formats.NDJSON:
        return await _stream(worker, model, terms, receive)
    limit = settings.max_body_bytes if terms.body_type == formats.JSON else settings.max_bulk_bytes
    body = await read_body(scope, receive, limit=limit, seconds=settings.body_seconds)
    return await _bulk(worker, model, terms, body)


def is_plain(scope: Scope, limit: int) -> bool:
    """Whether a request is JSON of at most ``limit`` bytes, accepts JSON and has no query. Nearly every request is so.

    The headers of a plain request need no further reading, and most often its body has arrived already.
    """
    if scope.get("query_string"):
        return False
    for name, value in scope["headers"]:
        if name in _DECIDING_HEADERS and (
            (name == b"content-type" and value != JSON_TYPE)
            or (name == b"content-length" and (len(value) > _SMALL_DIGITS or int(value) > limit))
            or (name == b"accept" and value not in _ANY)
            or name == b"content-encoding"
        ):
            return False
    return True


async def _bulk(worker: Worker, model: LiveModel, terms: Terms, body: bytes) -> Reply:
    runs: list[BulkRun] = []
    with worker.bulk.place(worker.metrics):
        try:
            return await worker.bulk.run(work_of(model, terms, body, worker.settings, runs))
        finally:
            for run in runs:
                run.count(worker.metrics)


async def _stream(worker: Worker, model: LiveModel, terms: Terms, receive: Receive) -> StreamReply:
    settings = worker.settings
    run = BulkRun(model.core, terms.options, None)
    place = worker.bulk.place(worker.metrics)
    stream = NdjsonStream(
        run,
        encoding=terms.encoding,
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
    # The status is sent with the first answers, so a fault before them is answered like any other error.
    first = await anext(rest)
    headers = ((b"content-type", formats.NDJSON.encode()), *_version_headers(model))
    return StreamReply(with_last_error(first, rest), headers)


def work_of(model: LiveModel, terms: Terms, body: bytes, settings: Settings, runs: list[BulkRun]) -> Work[Reply]:
    """The whole work for a request, as steps for the bulk lane's thread."""
    if terms.encoding != "identity":
        unpacker = Unpacker(terms.encoding, settings.max_unpacked_bytes)
        pieces = []
        for piece in unpacker.feed(body):
            pieces.append(piece)
            yield
        unpacker.finish()
        body = b"".join(pieces)
    if terms.body_type == formats.JSON:
        try:
            content = yield from _json(model, terms, body, settings, runs, in_pieces=True)
        except NotCutError:
            runs.clear()
            content = yield from _json(model, terms, body, settings, runs, in_pieces=False)
    else:
        run = BulkRun(model.core, terms.options, settings.max_bulk_rows)
        runs.append(run)
        writer = _writer(terms.answer_type, model.predictor, terms.options, by_column=True)
        content = yield from _answer(run, _parts(terms, body, model.predictor, settings), writer)
    headers = () if terms.answer_type == formats.JSON else _version_headers(model)
    if terms.packing is not None:
        headers = (*headers, (b"vary", b"accept-encoding"))
        if len(content) >= settings.compress_bytes:
            headers = (*headers, (b"content-encoding", terms.packing.encode()))
            content = pack(content, terms.packing)
    return Reply(content, content_type=terms.answer_type.encode(), headers=headers)


def _json(
    model: LiveModel, terms: Terms, body: bytes, settings: Settings, runs: list[BulkRun], *, in_pieces: bool
) -> Work[bytes]:
    reader = JsonBulkReader(model.predictor.encoder, settings.max_rows)
    request = reader.read(body, terms.options, in_pieces=in_pieces)
    run = BulkRun(model.core, request.options, settings.max_rows)
    runs.append(run)
    writer = _writer(terms.answer_type, model.predictor, request.options, by_column=request.by_column)
    return (yield from _answer(run, request.parts, writer))


def _answer(run: BulkRun, parts: Iterator[Part], writer: Writer) -> Work[bytes]:
    pieces = []
    for part in parts:
        if part.n_rows:
            answer = run.answer(part)
            if answer is not None:
                pieces.append(writer.add(answer))
        yield
    run.finish()
    pieces.append(writer.close())
    return b"".join(pieces)


def _parts(terms: Terms, body: bytes, predictor: Predictor, settings: Settings) -> Iterator[Part]:
    schema, options, limit = predictor.schema, terms.options, settings.max_unpacked_bytes
    if terms.body_type == formats.CSV:
        return read_csv(body, schema, options)
    if terms.body_type == formats.NDJSON:
        return read_ndjson(body, schema, options, settings.max_line_bytes)
    if terms.body_type == formats.ARROW:
        from service.protocols.arrow import read_arrow

        return read_arrow(body, schema, options, limit)
    from service.protocols.parquet import read_parquet

    return read_parquet(body, schema, options, limit, settings.max_bulk_rows)


def _writer(answer_type: str, predictor: Predictor, options: Options, *, by_column: bool) -> Writer:
    if answer_type == formats.JSON:
        if by_column:
            return JsonColumnsWriter(predictor, with_errors=options.by_row)
        return JsonRowsWriter(predictor)
    if answer_type == formats.NDJSON:
        return NdjsonWriter(predictor)
    if answer_type == formats.CSV:
        return CsvWriter(predictor, with_errors=options.by_row)
    if answer_type == formats.ARROW:
        from service.protocols.arrow import ArrowWriter

        return ArrowWriter(predictor, with_errors=options.by_row)
    from service.protocols.parquet import ParquetWriter

    return ParquetWriter(predictor, with_errors=options.by_row)


def _version_headers(model: LiveModel) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"x-model-name", model.name.encode()), (b"x-model-version", model.version.encode()))
