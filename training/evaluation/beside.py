"""Baselines' answers to the rows that measure, computed beside the network's training if a second core is free."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.predictor import target_offsets
from artifact.rows.encoding import Encoded
from artifact.rows.schema import FeatureSchema
from training.devices.backend import quiet_stderr
from training.devices.threads import usable_cores
from training.prepare.in_memory import Prepared, take
from training.settings.config import TrainConfig
from training.table.folds import Fold, left_out

Float64 = npt.NDArray[np.float64]
# Answers by the baseline's name, float64 (n_rows, n_targets), in target units.
Answers = dict[str, Float64]

# A process takes 2 s to start. While TensorFlow loads, this costs nothing; later it pays only from this many rows on.
_WORTH_ROWS = 5_000
# Largest size of the rows that are copied to the process, bytes.
_MOST_BYTES = 50_000_000
# Seconds after which the other process checks again that this one still runs.
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the baselines need, and no more, since it is sent to another process.

    Attributes:
        schema: the rows' schema.
        X: encoded rows.
        y: float64 (n_samples, n_targets), targets less their offsets.
        weight: float64 (n_samples,), each row's weight, or None.
        config: gives the objective and the seed.
        folds: for each fit, the rows that fit and the rows that are answered.
    """

    schema: FeatureSchema
    X: Encoded
    y: Float64
    weight: Float64 | None
    config: TrainConfig
    folds: tuple[Fold, ...]

    @classmethod
    def of(cls, prepared: Prepared) -> Comparison:
        """The comparison on the rows that measure the network, by models that fit on the rows that it saw."""
        folds, parts = prepared.plan.first_cut, prepared.plan.parts
        if parts is not None:
            folds = (Fold(np.concatenate([parts.train, parts.validation]), np.sort(parts.test)),)
        return cls(prepared.schema, prepared.X, prepared.y, prepared.weight, prepared.config, folds)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """The rows that are answered, ascending; the answers have this order."""
        return left_out(self.folds)

    def answers(self) -> Answers:
        """Fit the baselines, one after another, and compute their answers."""
        # Imported here, so that the other process spends the second that scikit-learn takes to load.
        from training.evaluation.baselines import baseline_names, baselines, predict

        offsets = target_offsets(self.schema)
        shift = 0.0 if offsets is None else offsets
        answered = self.rows
        answers = {
            name: np.zeros((len(answered), self.y.shape[1])) for name in baseline_names(self.config, self.schema)
        }
        for train, rows in self.folds:
            X, places = take(self.X, rows), np.searchsorted(answered, rows)
            weight = None if self.weight is None else self.weight[train]
            for name, model in baselines(self.schema, take(self.X, train), self.y[train], self.config, weight):
                answers[name][places] = predict(model, X) + shift
        return answers

    @property
    def pays_a_process(self) -> bool:
        """Whether another process would give the answers sooner than this one, which also fits the network."""
        if usable_cores() < 2 or self.X.numeric.nbytes + self.X.categorical.nbytes > _MOST_BYTES:
            return False
        return "keras" not in sys.modules or len(self.y) >= _WORTH_ROWS


@contextmanager
def baselines_in_background(prepared: Prepared) -> Iterator[Callable[[], Answers]]:
    """Start the baselines, and give a function that waits for their answers.

    They are fitted in a process, not in a thread. In a thread, Python code of scikit-learn would make Python code of
    TensorFlow wait. Limits on threads and filters of warnings would also hold for both, since they hold for a whole
    process. If no process can start, or it ends early, the function fits them in this process.
    """
    comparison = Comparison.of(prepared)
    pool, answers = None, comparison.answers
    if comparison.pays_a_process:
        # The system has no semaphores, or starts no more processes.
        with suppress(ImportError, OSError, RuntimeError):
            pool, answers = _start(comparison)
    try:
        yield answers
    finally:
        if pool is not None:
            # After an error nobody waits for the answers.
            pool.shutdown(kill_workers=True)


def _start(comparison: Comparison) -> tuple[Any, Callable[[], Answers]]:
    """A pool with one process at work, and a function that waits for its answers."""
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.process_executor import BrokenProcessPool

    # A terminal sends Ctrl-C to both processes: only this one reports it.
    with quiet_stderr(), _own_path_first():
        pool = ProcessPoolExecutor(1, initializer=_end_with, initargs=(os.getpid(),))
        future: Future[Answers] = pool.submit(comparison.answers)

    def answers() -> Answers:
        try:
            return future.result()
        except BrokenProcessPool:
            return comparison.answers()

    return pool, answers


@contextmanager
def _own_path_first() -> Iterator[None]:
    """Let a process that starts in this block import this package, even if the user has a folder of the same name."""
    spec = PathFinder.find_spec(__name__.partition(".")[0])
    home = Path(__file__).resolve().parents[2]
    if spec is not None and spec.origin is not None and home in Path(spec.origin).resolve().parents:
        yield
        return
    sys.path.insert(0, str(home))
    try:
        yield
    finally:
        sys.path.remove(str(home))


def _end_with(parent: int) -> None:
    """Make this process end soon after ``parent``. A parent that is killed cannot end it."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)
