"""``application/x-ndjson``: one row a line in, one answer a line out, in order, while the body still arrives.

Only the lines that are being answered are in memory, so a stream of any length needs the memory of a few hundred lines.
While the client does not read its answers, no more of its body is read. A bad line is answered with ``{"error": ...}``
in its place; with ``on_error=request`` it ends the stream. Empty lines are ignored.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from itertools import islice

import orjson

from artifact.errors import Fault
from artifact.rows.schema import FeatureSchema
from service.metrics.metrics import Metrics
from service.predict.bulk import BulkRun
from service.predict.hints import take_out
from service.predict.lane import BulkLane
from service.predict.looks import BOM
from service.predict.parts import PART_ROWS, Options, Part
from service.protocols.json_answers import NdjsonWriter
from service.protocols.json_bulk import columns_of
from service.protocols.json_strict import loads
from service.wire.compression import Unpacker
from service.wire.errors import ApiError, BodyTimeoutError, TooLargeError
from service.wire.http import ClientGoneError, Receive

logger = logging.getLogger("bentoml.trueline")

_GATHERED = 131_072


class LineReader:
    """Turns a body that comes in pieces into parts of whole lines.

    Args:
        schema: schema of the model that answers.
        options: the caller's options.
        max_line: most bytes of a line.
    """

    def __init__(self, schema: FeatureSchema, options: Options, max_line: int) -> None:
        self._schema = schema
        self._options = options
        self._max_line = max_line
        self._rest = b""
        self._bom_checked = False

    def feed(self, data: bytes, *, last: bool = False) -> Iterator[Part]:
        """Yield the parts of all lines that are complete; with the last piece also the unfinished line.

        Raises:
            TooLargeError: a line has too many bytes.
        """
        text = self._rest + data if self._rest else data
        if not self._bom_checked and len(text) >= len(BOM):
            self._bom_checked = True
            text = text.removeprefix(BOM)
        end = len(text) if last else text.rfind(b"\n") + 1
        text, self._rest = text[:end], text[end:]
        lines = iter(text.split(b"\n"))
        while batch := list(islice(lines, PART_ROWS)):
            if max(map(len, batch)) > self._max_line:
                raise self._too_long()
            part = self._part(batch)
            if part.n_rows:
                yield part
        if len(self._rest) > self._max_line:
            raise self._too_long()

    def _too_long(self) -> TooLargeError:
        return TooLargeError(f"Expected lines of at most {self._max_line} bytes. Received: a longer one.")

    def _part(self, lines: list[bytes]) -> Part:
        faults: list[Fault] = []
        try:
            rows = list(map(orjson.loads, filter(None, lines)))
        except orjson.JSONDecodeError:
            rows = []
            for line in filter(bytes.strip, lines):
                try:
                    rows.append(loads(line).document)
                except orjson.JSONDecodeError as error:
                    message = f"Expected one JSON object on each line: {error}."
                    excerpt = line[:100].decode("utf-8", "replace")
                    faults.append(Fault(len(rows), None, message, excerpt, "type"))
                    rows.append({})
            faults += take_out(self._schema, rows)
        part = columns_of(rows, self._schema, self._options)
        return part._replace(faults=[*part.faults, *faults]) if faults else part


def read_ndjson(body: bytes, schema: FeatureSchema, options: Options, max_line: int) -> Iterator[Part]:
    """The rows of a whole body, for answers in another format."""
    yield from LineReader(schema, options, max_line).feed(body, last=True)


class NdjsonStream:
    """Answers one request while its body arrives.

    Args:
        run: answers the rows.
        encoding: the body's Content-Encoding.
        max_line: most bytes of a line.
        lane: thread that does the work.
        metrics: counts the answers.
        seconds: longest wait for the next piece of the body.
    """

    def __init__(
        self, run: BulkRun, *, encoding: str, max_line: int, lane: BulkLane, metrics: Metrics, seconds: float
    ) -> None:
        self._run = run
        self._unpacker = Unpacker(encoding, None)
        self._reader = LineReader(run.predictor.schema, run.options, max_line)
        self._writer = NdjsonWriter(run.predictor)
        self._lane = lane
        self._metrics = metrics
        self._seconds = seconds

    async def answers(self, receive: Receive) -> AsyncIterator[bytes]:
        """Yield pieces of the answer.

        Raises:
            ApiError: the stream cannot go on.
            ClientGoneError: the client closed the connection.
        """
        last = False
        while not last:
            try:
                async with asyncio.timeout(self._seconds):
                    message = await receive()
            except TimeoutError:
                received = f"Received: none after row {self._run.rows}."
                raise BodyTimeoutError(f"Expected more of the body within {self._seconds:g} s. {received}") from None
            if message["type"] != "http.request":
                raise ClientGoneError
            last = not message.get("more_body")
            work = self._work(message.get("body", b""), last=last)
            is_last = False
            while not is_last:
                try:
                    piece, is_last = await self._lane.call(_gather, work)
                finally:
                    self._run.count(self._metrics)
                if piece:
                    yield piece

    def _work(self, data: bytes, *, last: bool) -> Iterator[bytes]:
        for piece in self._unpacker.feed(data):
            yield from self._write(self._reader.feed(piece))
        if last:
            self._unpacker.finish()
            yield from self._write(self._reader.feed(b"", last=True))
            self._run.finish()

    def _write(self, parts: Iterator[Part]) -> Iterator[bytes]:
        for part in parts:
            answer = self._run.answer(part)
            if answer is None:
                # With on_error=request the first bad part ends the stream.
                self._run.finish()
            else:
                yield self._writer.add(answer)


async def with_last_error(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Continue a stream whose status has been sent: an error that ends it becomes its last line."""
    yield first
    try:
        async for piece in rest:
            yield piece
    except ApiError as error:
        yield error.body() + b"\n"
    except ClientGoneError:
        raise
    except Exception:
        logger.exception("A stream failed")
        yield ApiError("The service failed on this request; its log says why.").body() + b"\n"


def _gather(work: Iterator[bytes]) -> tuple[bytes, bool]:
    """Join pieces until they are large enough to send; return them, and whether the work is finished."""
    pieces: list[bytes] = []
    size = 0
    for piece in work:
        pieces.append(piece)
        size += len(piece)
        if size >= _GATHERED:
            return b"".join(pieces), False
    return b"".join(pieces), True
