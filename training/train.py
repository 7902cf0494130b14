"""A table in, a checked version out: the whole of ``trueline train``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from artifact.errors import DataError
from artifact.manifest import Manifest
from artifact.registry.base import Registry, check_name
from artifact.registry.tables import RowsAside
from training.devices.backend import load_backend
from training.evaluation.beside import Answers, baselines_in_background
from training.fit.observer import Observer
from training.prepare.bounds import Bounds
from training.prepare.choose import parquet_source
from training.prepare.in_memory import Prepared, prepare
from training.prepare.request import Origin, Request, check_request, text_rules
from training.prepare.streamed import prepared_stream
from training.table.data import TableFacts, read_raw
from training.table.kept import TrainingTable, types_of, write_batches, write_table
from training.table.names import in_terms_of
from training.table.texts.table import read_texts
from training.transfer.earlier import Earlier
from training.transfer.sentence import sentence

__all__ = ["Observer", "train"]


def train(
    request: Request, registry: Registry, observer: Observer | None = None, bounds: Bounds | None = None
) -> Manifest:
    """Train a model and store it as a new version.

    Args:
        request: the table, the targets and the settings.
        registry: the model store.
        observer: callbacks on how the work goes. Defaults to none.
        bounds: how much of a streamed table may be in memory. Defaults to those of :class:`Bounds`.

    Raises:
        DataError: the table or the request is wrong; nothing was written.
        TruelineError: the store cannot be written, training diverged twice, or export failed; nothing was written.
        OSError: the disk is full or cannot be written; nothing was written.
    """
    observer = observer or Observer()
    check_name(request.name)
    started = time.perf_counter()
    # An hour of training must not end at a store that cannot be written.
    registry.check_writable(request.name)
    observer.stage("read")
    earlier = None if request.init is None else Earlier.find(registry, request.init)
    with ExitStack() as stack:
        aside = stack.enter_context(registry.tables.writing()) if request.keep_data else None
        request, prepared, table = stack.enter_context(prepared_table(request, bounds or Bounds(), earlier, aside))
        observer.schema(prepared.schema, prepared.notes)
        others = stack.enter_context(baselines_in_background(prepared))
        return _fit_and_store(Origin(request, table, started), registry, observer, prepared, others)


@contextmanager
def prepared_table(
    request: Request, bounds: Bounds, earlier: Earlier | None, aside: Path | None = None
) -> Iterator[tuple[Request, Prepared, TrainingTable]]:
    """The request with the table's names, the table ready to fit, and the facts of the table for the version.

    Args:
        request: the table, the targets and the settings.
        bounds: how much of a streamed table may be in memory.
        earlier: version to start from, or None.
        aside: file for the rows as they were read, or None. Defaults to None.
    """
    source = parquet_source(request.source, request.stream, keep=request.names_in_use, ids=request.ids)
    if source is None:
        yield prepared_in_memory(request, earlier, aside)
        return
    if earlier is not None:
        raise DataError(
            f"Expected a table held in memory with --init. Received: {request.data}, which is streamed. "
            "Give fewer rows or --no-stream, or leave --init out."
        )
    request = request.with_names_of(source.columns, source.left_out)
    with prepared_stream(request, source, bounds) as (prepared, facts):
        batches = (frame for _, frame in source.batches(bounds.batch_rows))
        rows = None if aside is None else RowsAside(aside, write_batches(aside, batches))
        yield request, prepared, TrainingTable(facts, types_of(source.types), streamed=True, aside=rows)


def prepared_in_memory(
    request: Request, earlier: Earlier | None, aside: Path | None = None
) -> tuple[Request, Prepared, TrainingTable]:
    """Prepare a table in memory. Only the facts of the table as it was read, and the file ``aside``, are kept."""
    keep = request.names_in_use if earlier is None else request.names_in_use | set(earlier.schema.names)
    raw = read_raw(request.source, request.reading, keep=keep)
    frame = raw.frame if earlier is None else in_terms_of(raw.frame, earlier.schema.names)
    request = request.with_names_of(frame.columns, raw.unnamed.columns)
    check_request(frame, request)
    texts = read_texts(frame, text_rules(request, earlier))
    facts = TableFacts.of(texts.frame)
    if earlier is not None:
        earlier.refuse_its_own(facts.fingerprint)
    prepared = prepare(texts.frame, request, earlier, raw.notes, texts)
    rows = None if aside is None else RowsAside(aside, write_table(aside, raw.frame))
    return request, prepared, TrainingTable(facts, types_of(raw.frame.schema), aside=rows)


def _fit_and_store(
    origin: Origin, registry: Registry, observer: Observer, prepared: Prepared, others: Callable[[], Answers]
) -> Manifest:
    observer.stage("fit")
    # TensorFlow is loaded only now, so that a wrong table is reported within a second.
    devices = load_backend(prepared.config.device, prepared.n_rows)
    observer.devices(", ".join(map(str, devices)))
    from training.ensemble.fitters import fitter_of
    from training.evaluation.measure import measure
    from training.export.version import store

    fitter = fitter_of(prepared.config, origin.request.config)
    model = fitter.fit(prepared, observer)
    observer.stage("compare")
    measured = measure(model.prepared, model.fitted, others())
    if prepared.plan.parts is not None and prepared.config.refit:
        observer.stage("refit")
        model = fitter.refit(model, observer)
    observer.stage("store")
    manifest = store(registry, origin, model, measured)
    # Notes on the results come last.
    fitted = model.fitted
    for note in manifest.notes[len(model.prepared.notes) :]:
        if note not in fitted.notes and (fitted.init is None or note != sentence(fitted.init)):
            observer.note(note)
    return manifest
