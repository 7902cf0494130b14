"""The simpler models beside the network: in a process of their own they answer as they do here, whatever befalls it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import polars as pl
import psutil
import pytest

from tests.training.conftest import wavy_table
from training.evaluation import beside as beside
from training.evaluation.beside import Comparison, baselines_in_background
from training.prepare.in_memory import Prepared, prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig


def prepared_of(n: int = 240, weight: str | None = None, **settings: object) -> Prepared:
    weights = pl.Series("w", np.random.default_rng(1).uniform(0, 2, n))
    frame = wavy_table(n).with_columns(weights, pl.col("y") + 1e6)
    return prepare(frame, Request("", ("y",), "m", TrainConfig(model="mlp", **settings), weight=weight))


@pytest.fixture
def two_cores(monkeypatch):
    """As a process that has two cores and has not loaded Keras."""
    monkeypatch.setattr(beside, "usable_cores", lambda: 2)
    monkeypatch.delitem(sys.modules, "keras", raising=False)


def children() -> list[psutil.Process]:
    """Those that fit; the one that watches over semaphores is none."""
    processes = psutil.Process().children(recursive=True)
    return [child for child in processes if "popen_loky_posix" in " ".join(child.cmdline())]


@pytest.mark.parametrize(
    "prepared",
    [prepared_of(folds=3, repeats=2), prepared_of(folds=1), prepared_of(weight="w", folds=2, objective="poisson")],
    ids=["folds", "held-out", "weights"],
)
def test_another_process_answers_the_same_to_the_last_bit(prepared, two_cores):
    with baselines_in_background(prepared) as others:
        assert len(children()) == 1
        answers = others()
    here = Comparison.of(prepared).answers()
    assert list(answers) == list(here)
    for name, values in here.items():
        np.testing.assert_array_equal(answers[name], values)


def test_answers_are_to_the_rows_that_measure_in_target_units():
    folds, held_out = (Comparison.of(p) for p in (prepared_of(folds=3, repeats=2), prepared_of(folds=1)))
    assert len(folds.rows) == 240
    assert len(folds.folds) == 3
    assert 0 < len(held_out.rows) < 100
    for comparison in (folds, held_out):
        for values in comparison.answers().values():
            assert values.shape == (len(comparison.rows), 1)
            assert abs(values.mean() - 1e6) < 10


def test_rows_weigh():
    prepared = prepared_of(weight="w", folds=2, objective="poisson")
    weighed, equal = (Comparison.of(p).answers() for p in (prepared, replace(prepared, weight=None)))
    for name, values in weighed.items():
        assert not np.array_equal(values, equal[name]), name


def test_no_model_is_asked_about_rows_that_it_saw():
    for prepared in (prepared_of(folds=3, repeats=2), prepared_of(folds=1)):
        for train, rows in Comparison.of(prepared).folds:
            assert not set(train.tolist()) & set(rows.tolist())


def test_a_process_that_is_ended_is_done_without(two_cores):
    prepared = prepared_of(folds=2)
    with baselines_in_background(prepared) as others:
        for child in children():
            child.kill()
        answers = others()
    np.testing.assert_array_equal(answers["ridge"], Comparison.of(prepared).answers()["ridge"])


def test_a_system_without_processes_is_done_without(two_cores, monkeypatch):
    monkeypatch.setitem(sys.modules, "joblib.externals.loky", None)
    with baselines_in_background(prepared_of(folds=2)) as others:
        assert not children()
        assert "ridge" in others()


def test_ctrl_c_is_not_told_by_the_other_process(two_cores, capfd):
    """A terminal sends it to both; a traceback of the other one would hide what this one says."""
    for wait in (0.1, 0.3, 1.0):
        with baselines_in_background(prepared_of(folds=2)) as others:
            (child,) = children()
            time.sleep(wait)
            child.send_signal(signal.SIGINT)
            with contextlib.suppress(KeyboardInterrupt):
                others()
    assert not capfd.readouterr().err


def test_an_error_of_the_network_ends_the_process(two_cores):
    with pytest.raises(KeyboardInterrupt), baselines_in_background(prepared_of(folds=2)):
        (child,) = children()
        raise KeyboardInterrupt
    child.wait(10)


def test_an_error_of_the_simpler_models_is_told(two_cores):
    prepared = prepared_of(folds=2)
    wrong = replace(prepared, y=np.full_like(prepared.y, np.nan))
    with baselines_in_background(wrong) as others, pytest.raises(ValueError, match="NaN"):
        others()


def test_a_process_is_started_where_it_pays(two_cores, monkeypatch):
    few, some = Comparison.of(prepared_of(folds=2)), Comparison.of(prepared_of(6_000, folds=2))
    assert few.pays_a_process
    monkeypatch.setitem(sys.modules, "keras", object())
    assert not few.pays_a_process
    assert some.pays_a_process
    wide = np.zeros((6_000, 3_000), np.float32)
    assert not replace(some, X=replace(some.X, numeric=wide)).pays_a_process
    monkeypatch.setattr(beside, "usable_cores", lambda: 1)
    assert not some.pays_a_process


def test_the_other_process_loads_no_network():
    code = (
        "import sys, training.evaluation.beside, training.evaluation.baselines;"
        "print({'keras', 'tensorflow', 'jax'} & set(sys.modules))"
    )
    process = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert process.stdout.strip() == "set()"
