"""A body parser answers or refuses any bytes, and raises nothing but an ApiError."""

from __future__ import annotations

import contextlib
import gzip
import itertools
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artifact.predictor import Predictor
from service.live.model import LiveModel
from service.protocols.formats import read_terms
from service.protocols.ndjson import LineReader
from service.protocols.predict import work_of
from service.settings.settings import Settings
from service.wire.errors import ApiError
from service.wire.http import Reply
from tests.builders import build_schema, sample_rows
from tests.service.protocols.bodies import ARROW, BODIES, CSV, JSON, NDJSON, PARQUET, answers

SCHEMA = build_schema()
ROWS = sample_rows(SCHEMA, 4)
LIMITS = Settings(max_unpacked_bytes=100_000, max_bulk_rows=100, max_rows=100, max_line_bytes=2000)
FUZZ = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TOKENS = (b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b'"rows":[', b'"columns":{', b'"age":', b"null", b"1e999")


@pytest.fixture(scope="session")
def model(predictor: Predictor) -> LiveModel:
    return LiveModel(predictor, max_rows=LIMITS.max_rows)


@st.composite
def damaged(draw: st.DrawFn, body: bytes) -> bytes:
    """A whole body with pieces cut out, doubled, or replaced."""
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(body)))
        end = draw(st.integers(at, min(len(body), at + 20)))
        piece = draw(st.one_of(st.binary(max_size=8), st.sampled_from(TOKENS), st.just(body[at:end] * 2)))
        body = body[:at] + piece + body[end:]
    return body


def serve(model: LiveModel, takes: str, body: bytes, query: bytes = b"", **headers: str) -> Reply | None:
    """The reply, or None where the request is rightly refused."""
    pairs = [(b"content-type", takes.encode()), *((k.encode(), v.encode()) for k, v in headers.items())]
    with contextlib.suppress(ApiError):
        work = work_of(model, read_terms(pairs, query), body, LIMITS, [])
        while True:
            try:
                next(work)
            except StopIteration as stop:
                reply: Reply = stop.value
                return reply
    return None


@pytest.mark.parametrize("name", BODIES)
@given(data=st.data())
@FUZZ
def test_damaged_bodies(model: LiveModel, name: str, data: st.DataObject) -> None:
    takes, body_of = BODIES[name]
    body = data.draw(damaged(body_of(ROWS)))
    query = data.draw(
        st.sampled_from(
            [b"", b"on_error=row", b"extra=ignore", b"missing_columns=impute", b"interval=0.5&on_error=row"]
        )
    )
    gives = data.draw(st.sampled_from([JSON, CSV, NDJSON, ARROW, PARQUET]))
    reply = serve(model, takes, body, query, accept=gives)
    if reply is not None:
        assert b"NaN" not in reply.body or gives in (ARROW, PARQUET)
        assert reply.content_type == gives.encode()


@pytest.mark.parametrize("takes", [JSON, CSV, NDJSON, ARROW, PARQUET])
@given(body=st.binary(max_size=300))
@FUZZ
def test_any_bytes(model: LiveModel, takes: str, body: bytes) -> None:
    serve(model, takes, body, b"on_error=row")


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
@given(data=st.data())
@FUZZ
def test_damaged_compression(
    model: LiveModel, encoding: str, pack: Callable[[bytes], bytes], data: st.DataObject
) -> None:
    body = data.draw(damaged(pack(BODIES["csv"][1](ROWS))))
    serve(model, CSV, body, **{"content-encoding": encoding})


@given(query=st.binary(max_size=60), accept=st.text(st.characters(max_codepoint=255), max_size=60))
@FUZZ
def test_any_query_and_accept(query: bytes, accept: str) -> None:
    with contextlib.suppress(ApiError):
        read_terms([(b"accept", accept.encode("latin-1")), (b"content-length", query)], query)


@given(cuts=st.lists(st.integers(0, 2000), max_size=8))
@FUZZ
def test_lines_are_the_same_however_they_are_cut(model: LiveModel, cuts: list[int]) -> None:
    body = BODIES["ndjson"][1](ROWS) + b"\n{oops\n  \r\n" + BODIES["ndjson"][1](ROWS)[:-1]
    terms = read_terms([(b"content-type", NDJSON.encode())], b"")
    ends = [0, *sorted(min(c, len(body)) for c in cuts), len(body)]
    reader = LineReader(SCHEMA, terms.options, 2000)
    parts = [p for a, b in itertools.pairwise(ends) for p in reader.feed(body[a:b])]
    parts += reader.feed(b"", last=True)
    assert sum(part.n_rows for part in parts) == 9
    assert [v for part in parts for v in part.columns["age"]][:4] == [row["age"] for row in ROWS]
    assert sum(len(part.faults) for part in parts) == 1


@given(rows=st.integers(1, 40), size=st.integers(20, 3000), text=st.sampled_from(["},{", "],", 'a"b', "x\\", "é"]))
@FUZZ
def test_cut_json_is_what_whole_json_is(
    model: LiveModel, monkeypatch: pytest.MonkeyPatch, rows: int, size: int, text: str
) -> None:
    monkeypatch.setattr("service.protocols.json_bulk.PIECE", size)
    table = [{**row, "town": text} for row in sample_rows(SCHEMA, rows)]
    for name in ("rows", "columns"):
        reply = serve(model, JSON, BODIES[name][1](table))
        assert reply is not None
        assert answers(JSON, reply.body)["value"] == model.predictor.predict_rows(table).value[:, 0].tolist()
