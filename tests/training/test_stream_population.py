"""Networks of a table that is streamed are dropped while the rest go on, as those of a table in memory are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import mixed_table
from tests.training.test_population import DROPOUT, RATES, check_the_rest, dropping
from training.fit.fit import fit
from training.fit.loops import dealt
from training.fit.population import Population
from training.networks.unseen import answers
from training.prepare.bounds import Bounds
from training.prepare.in_memory import Prepared
from training.prepare.request import Request
from training.prepare.streamed import prepared_stream
from training.settings.config import TrainConfig
from training.table.parquet import ParquetSource

SETTINGS = {"model": "mlp", "folds": 1, "epochs": 6, "hidden": (8,), "embedding_bins": 4, "batch_size": 32}


@contextmanager
def streamed(folder: Path, repeats: int, **more) -> Iterator[Prepared]:
    """A table of more rows than may be in memory at once, dealt to several chunks."""
    path = folder / "t.parquet"
    mixed_table(900).write_parquet(path, row_group_size=150)
    config = TrainConfig(**{**SETTINGS, "repeats": repeats, **more})
    request = Request(str(path), ("price",), "m", config, stream=True)
    with prepared_stream(request, ParquetSource([path]), Bounds(batch_rows=200, chunk_rows=110)) as (prepared, _):
        assert prepared.stream.spool.n_chunks > 3
        yield prepared


def check(folder: Path, *, exactly: bool = False) -> list[tuple[int, list[int]]]:
    """Four trials of two repeats each, of which some are dropped."""
    with streamed(folder, 2) as prepared:
        trials = [
            prepared.config.model_copy(update={"learning_rate": rate, "dropout": dropout})
            for rate, dropout in zip(RATES, DROPOUT, strict=True)
        ]
        (population,) = Population.of_trials(trials, prepared.plan.folds, 2)
        return check_the_rest(prepared, population, (2, 3) if exactly else (2, 3, 6, 7), exactly=exactly)


def test_the_rest_learn_from_all_chunks_what_they_learn_beside_all(tmp_path):
    assert check(tmp_path) == [(3, [0, 1, 4, 5])]


def test_until_half_are_gone_not_a_bit_of_the_rest_changes(tmp_path):
    assert check(tmp_path, exactly=True) == []


def test_networks_that_are_dealt_to_cores_are_dropped_too(tmp_path, monkeypatch):
    monkeypatch.setattr(dealt, "n_shares", lambda problem: min(3, problem.networks))
    check(tmp_path)


@pytest.mark.parametrize("augment", [(), ("noise",)])
def test_repeats_of_one_training_are_dropped_and_the_model_is_the_others(tmp_path, augment):
    """A review drops two of five repeats; those that answer best together are chosen among the others."""
    more = {"augment": augment, "noise": (0.0, 0.1)} if augment else {}
    with streamed(tmp_path, 5, **more) as prepared:
        population = Population.of(prepared.config, prepared.plan.folds, 5)
        review, heard = dropping(2, 1, 3)
        fitted = fit(prepared, population, review=review)
        validation = prepared.plan.parts.validation
        X, _ = prepared.rows(validation)
        together = answers(fitted.model, X)
    assert [np.isnan(errors).nonzero()[0].tolist() for errors in heard] == [[], [], [1, 3], [1, 3], [1, 3]]
    assert fitted.networks
    assert set(fitted.networks) <= {0, 2, 4}
    assert len(fitted.unseen) == len(fitted.networks)
    # The model of the file answers as its networks did to the rows that judged them.
    mean = np.mean([unseen.value for unseen in fitted.unseen], axis=0)
    np.testing.assert_allclose(together.value, mean, rtol=1e-4)
