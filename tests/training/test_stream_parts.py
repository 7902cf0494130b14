"""The parts that keep a stream within bounds: reading, drawing, counting, dealing, and chunks read ahead."""

from __future__ import annotations

import weakref
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifact.errors import DataError
from artifact.rows.encoding import Encoded
from training.fit.chunks import Chunks
from training.fit.epochs import Limits
from training.fit.judging import Judge
from training.fit.loops.problem import Steps, Table
from training.fit.population import Population
from training.fit.streamed_epochs import StreamedEpochs
from training.objectives import objective_of
from training.prepare import choose
from training.prepare.bounds import Bounds
from training.prepare.distinct import EXACT, Distinct, TextCounts
from training.prepare.draw import Draw, hashed
from training.prepare.held_out import HeldOut
from training.prepare.moments import Moments
from training.prepare.spool import Spool, Stream
from training.settings.config import TrainConfig
from training.table.folds import Fold
from training.table.parquet import ParquetSource
from training.table.split import part_sizes

RNG = np.random.default_rng(0)


def numbered(path, n: int, group_rows: int):
    pq.write_table(pa.table({"x": np.arange(n, dtype=np.float64)}), path, row_group_size=group_rows)
    return ParquetSource([Path(path)])


@pytest.mark.parametrize("group_rows", [3, 1_000])
def test_batches_are_bounded_whatever_the_row_groups_are(tmp_path, group_rows):
    source = numbered(tmp_path / "t.parquet", 1_000, group_rows)
    batches = list(source.batches(64))
    assert max(batch.height for _, batch in batches) < 2 * 64
    # Small row groups are read together.
    assert len(batches) <= 1_000 // 64 + 1
    assert pl.concat([batch for _, batch in batches])["x"].to_list() == list(range(1_000))
    assert [start for start, _ in batches] == [int(batch["x"][0]) for _, batch in batches]


def test_a_draw_keeps_the_smallest_keys_in_twice_its_rows():
    keys = RNG.permutation(5_000)
    draw, most = Draw(100), 0
    for start in range(0, 5_000, 50):
        part = keys[start : start + 50]
        draw.add(part, pl.DataFrame({"k": part}))
        most = max(most, sum(len(keys) for keys, _ in draw.parts))
    smallest, frame = draw.rows()
    assert smallest.tolist() == frame["k"].to_list() == list(range(100))
    assert most <= 2 * 100 + 50


def test_equal_keys_are_drawn_together_or_refused():
    draw = Draw(10, "groups in 'g'")
    for key in (3, 1, 2):
        draw.add(np.full(8, key), pl.DataFrame({"k": [key] * 8}))
    assert draw.rows()[0].tolist() == [1] * 8 + [2] * 8
    with pytest.raises(DataError, match="groups in 'g' of at most 40 rows"):
        draw.add(np.zeros(50), pl.DataFrame({"k": [0] * 50}))


def test_row_numbers_are_hashed_one_to_one_and_evenly():
    hashes = hashed(np.arange(100_000, dtype=np.uint64), 3)
    assert len(np.unique(hashes)) == 100_000
    counts = np.bincount((hashes >> np.uint64(60)).astype(int), minlength=16)
    assert np.abs(counts - 6_250).max() < 5 * np.sqrt(6_250)
    assert (hashed(np.arange(9, dtype=np.uint64), 4) != hashes[:9]).all()


def test_parts_are_cut_by_keys_without_parting_what_belongs_together():
    sizes = {"test": 5, "calibration": 5, "validation": 5}
    parts, bound = HeldOut(0).cut(np.arange(40), sizes)
    assert [parts[name].tolist() for name in sizes] == [list(range(i, i + 5)) for i in (0, 5, 10)]
    assert bound == 14
    # Groups of 4: each part is filled up to a whole one.
    parts, bound = HeldOut(0, group="g").cut(np.arange(40) // 4, sizes)
    assert [len(parts[name]) for name in sizes] == [8, 8, 8]
    assert bound == 5
    # Moments of 4 rows: those at an end go to the earlier part.
    parts, bound = HeldOut(0, time="t").cut(np.arange(40) // 4, sizes)
    assert [len(parts[name]) for name in sizes] == [4, 4, 4]
    assert bound == 2
    assert part_sizes(10**9, {"test": 0.1}) == {"test": 20_000}


def test_missing_moments_are_counted():
    held_out = HeldOut(0, time="t")
    keys = held_out.keys(np.arange(3, dtype=np.uint64), pl.DataFrame({"t": [5, None, 7]}))
    assert np.argsort(keys).tolist() == [2, 0, 1]
    with pytest.raises(DataError, match=r"a time in every row. Received: 1 missing"):
        held_out.check()


@pytest.mark.parametrize("n", [10, EXACT - 1, 200_000])
def test_different_values_are_counted_exactly_and_then_nearly(n):
    distinct = Distinct()
    for _ in range(2):
        for values in np.array_split(RNG.permutation(n), 7):
            distinct.add(pl.Series(values))
    assert distinct.count == n if n < EXACT else abs(distinct.count / n - 1) < 0.04
    assert len(distinct.smallest) <= EXACT


def test_texts_are_counted_and_the_rarest_forgotten():
    counts = TextCounts("c", 10)
    counts.add(pl.Series("c", ["a"] * 5 + ["b"] * 3 + [None]))
    counts.add(pl.Series("c", ["a"] * 2), sign=-1)
    assert sorted(counts.counts.rows()) == [("a", 3), ("b", 3)]
    for i in range(0, 1_000, 5):
        counts.add(pl.Series("c", [str(j) for j in range(i, i + 5)]))
    assert counts.counts.height <= 20
    assert counts.forgotten
    assert {("a", 3), ("b", 3)} <= set(counts.counts.rows())


def test_texts_that_are_kept_do_not_keep_their_batch_alive():
    draw = Draw(10)
    for start in range(0, 20_000, 1_000):
        numbers = np.arange(start, start + 1_000, dtype=np.uint64)
        draw.add(hashed(numbers, 0), pl.DataFrame({"c": [f"{i:0>200}" for i in numbers]}))
    n_bytes = 0
    for part in (part for _, frame in draw.parts for part in frame["c"].get_chunks()):
        _, _, *texts = part.to_arrow(compat_level=pl.CompatLevel.newest()).buffers()
        n_bytes += sum(buffer.size for buffer in texts if buffer is not None)
    # Polars alone would hold the texts of each batch, 200,000 bytes of each.
    assert n_bytes < 2 * 20 * 210


def test_moments_are_those_of_all_rows():
    values, weight = RNG.normal(1e6, 1, (1_000, 2)), RNG.random(1_000)
    plain, weighted = Moments(2), Moments(2)
    for rows in np.array_split(np.arange(1_000), 7):
        plain.add(values[rows])
        weighted.add(values[rows], weight[rows])
    np.testing.assert_allclose(plain.mean, values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(plain.std, values.std(axis=0), rtol=1e-9)
    np.testing.assert_array_equal((plain.minimum, plain.maximum), (values.min(axis=0), values.max(axis=0)))
    mean = np.average(values, axis=0, weights=weight)
    np.testing.assert_allclose(weighted.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(
        weighted.std, np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weight)), rtol=1e-9
    )


def spooled(n: int = 1_003, chunk_rows: int = 100, *, weighted: bool = True) -> Spool:
    """Rows in which every array holds the row's number, in the order of a sorted table."""
    spool = Spool(n, chunk_rows, n_numeric=2, n_categorical=1, n_targets=1, weighted=weighted, seed=0)
    for rows in np.array_split(np.arange(n), 13):
        X = Encoded(np.stack([rows, rows], axis=1).astype(np.float32), rows[:, None].astype(np.int32))
        spool.add(X, rows[:, None].astype(np.float64), rows.astype(np.float64) if weighted else None)
    return spool


def test_every_row_is_dealt_once_and_a_chunk_is_a_sample_of_the_whole():
    with spooled() as spool:
        chunks = [spool.read(i) for i in range(spool.n_chunks)]
    assert spool.sizes.max() - spool.sizes.min() <= 1
    assert spool.sizes.max() == spool.chunk_rows <= 100
    for chunk in chunks:
        rows = chunk.y[:, 0]
        for other in (chunk.X.numeric[:, 0], chunk.X.numeric[:, 1], chunk.X.categorical[:, 0], chunk.weight):
            np.testing.assert_array_equal(other, rows)
        # Of a sorted table a run of rows would have a mean anywhere from 50 to 950.
        assert 350 < rows.mean() < 650
    assert sorted(np.concatenate([chunk.y[:, 0] for chunk in chunks])) == list(range(1_003))


def test_no_space_for_the_encoded_rows_is_told():
    with pytest.raises(DataError, match=r"GiB free in .* for the encoded rows.*TMPDIR"):
        Spool(10**13, 10**10, n_numeric=9, n_categorical=0, n_targets=1, weighted=False, seed=0)


class CountingLoop:
    """Counts how often each row trains, and the tables that are alive; a row's target is its number."""

    def __init__(self, head: int) -> None:
        self.counts: Counter[int] = Counter()
        self.head, self.table = head, None

    def replace(self, table: Table) -> None:
        self.table = table

    def run(self, rows):
        assert rows.min() >= self.head
        self.counts.update(self.table.y[rows.ravel(), 0].round().astype(int).tolist())
        return np.ones((2, rows.shape[1]), np.float32)

    def weights(self):
        return []

    def set_weights(self, weights) -> None:
        """Nothing is learnt."""


def test_an_epoch_is_every_row_once_and_no_more_than_three_tables_are_alive(monkeypatch):
    alive: list[weakref.ref] = []
    most = 0
    original = Chunks.read

    def watched(self, chunk):
        nonlocal most
        table = original(self, chunk)
        alive.append(weakref.ref(table.y))
        most = max(most, sum(ref() is not None for ref in alive[1:]))
        return table

    monkeypatch.setattr(Chunks, "read", watched)
    head = Table({"numeric": np.zeros((5, 2), np.float32), "categorical": np.zeros((5, 1), np.int32)},
                 np.zeros((5, 1), np.float32), np.ones(5, np.float32))  # fmt: skip
    with spooled() as spool:
        stream = Stream(spool, Moments(1), np.zeros(1), 2.0, 1_003)
        identity = lambda values: values  # noqa: E731
        chunks = Chunks(stream, identity, head, np.arange(5), np.zeros(1), np.ones(1))
        assert chunks.first.weight[5:].tolist() == (chunks.first.y[5:, 0] / 2).tolist()
        loop = CountingLoop(len(head.y))
        population = Population.of(TrainConfig().resolved(1_003), (chunks.fold,) * 2, 2)
        judge = Judge(population, objective_of(TrainConfig()), head)
        run = StreamedEpochs(chunks, loop, judge, population, Limits(3, 9, Steps(1, chunks.steps(1))))
        run.to_the_end(None, stop_at=3)
    # Two networks, three epochs.
    assert loop.counts == Counter(dict.fromkeys(range(1_003), 6))
    # The loop's, the one handed over next, and the one that is read meanwhile.
    assert most <= 3


def test_a_fold_of_a_chunk_leaves_the_head_out():
    head = Table({"numeric": np.zeros((5, 2), np.float32), "categorical": np.zeros((5, 1), np.int32)},
                 np.zeros((5, 1), np.float32), None)  # fmt: skip
    with spooled(weighted=False) as spool:
        chunks = Chunks(Stream(spool, Moments(1), np.zeros(1), 1.0, 1_003), lambda v: v, head, np.arange(5),
                        np.zeros(1), np.ones(1))  # fmt: skip
        assert isinstance(chunks.fold, Fold)
        assert chunks.fold.train.min() == 5
        assert chunks.first.weight is None
        assert len({len(chunks.read(i).y) for i in range(chunks.n_chunks)}) == 1


def test_large_tables_are_streamed_and_other_formats_told(tmp_path, monkeypatch):
    path = str(tmp_path / "t.parquet")
    numbered(path, 1_000, 100)
    assert choose.parquet_source(path, None, available=10**9) is None
    assert choose.parquet_source(path, True, available=10**9) is not None
    assert choose.parquet_source(path, None, available=1_000) is not None
    assert choose.parquet_source(path, False, available=1_000) is None
    monkeypatch.setattr(choose, "MANY_CELLS", 1_000)
    assert choose.parquet_source(path, None, available=10**9) is not None
    assert choose.parquet_source("dataset:diabetes", None) is None
    text = tmp_path / "t.csv"
    text.write_text("x,y\n" + "1,2\n" * 100)
    assert choose.parquet_source(str(text), None, available=10**9) is None
    assert choose.parquet_source(str(text), False, available=10) is None
    for stream, available in ((None, 10), (True, 10**9)):
        with pytest.raises(DataError, match=r"Convert it to Parquet.*sink_parquet"):
            choose.parquet_source(str(text), stream, available)
    with pytest.raises(DataError, match="Parquet files to stream"):
        choose.parquet_source("dataset:diabetes", True)
    with pytest.raises(DataError, match=r"Expected a file\. Received: .*none\.parquet, which does not exist"):
        choose.parquet_source(str(tmp_path / "none.parquet"), True)
    assert Bounds().sample(50) == 200_000
    assert Bounds().sample(2_000) == 20_000
    assert choose.available_bytes() > 0
