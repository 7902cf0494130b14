"""What the simpler models answer to the rows that measure, found beside the network where a second core is free."""

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
from training.devices.backend import held_stderr
from training.devices.threads import usable_cores
from training.prepare.in_memory import Prepared, take
from training.settings.config import TrainConfig
from training.table.folds import Fold, left_out

Float64 = npt.NDArray[np.float64]
# By name, float64 (n_rows, n_targets), in target units.
Answers = dict[str, Float64]

# A process takes 2 s to start. Loading TensorFlow hides them; once it is loaded only so many rows are worth them.
_WORTH_ROWS = 5_000
# Its own copy of the rows is at most so large.
_MOST_BYTES = 50_000_000
# How often the other process looks whether this one is still there.
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the simpler models need, and no more: it is sent to another process.

    Attributes:
        schema: of the rows.
        X: encoded rows.
        y: float64 (n_samples, n_targets), offsets subtracted.
        weight: float64 (n_samples,) of each row, or None.
        config: gives the objective and the seed.
        folds: rows that fit, and rows that are answered, of each fit.
    """

    schema: FeatureSchema
    X: Encoded
    y: Float64
    weight: Float64 | None
    config: TrainConfig
    folds: tuple[Fold, ...]

    @classmethod
    def of(cls, prepared: Prepared) -> Comparison:
        """On the rows that measure the network, by models that saw the rows that it saw."""
        folds, parts = prepared.plan.first_cut, prepared.plan.parts
        if parts is not None:
            folds = (Fold(np.concatenate([parts.train, parts.validation]), np.sort(parts.test)),)
        return cls(prepared.schema, prepared.X, prepared.y, prepared.weight, prepared.config, folds)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Those that are answered, ascending, as the answers are."""
        return left_out(self.folds)

    def answers(self) -> Answers:
        """Fit the simpler models, one after another, and ask them."""
        # Here and not above: scikit-learn takes a second to load, which the other process spends.
        from training.evaluation.baselines import baseline_names, baselines, predict

        offsets = target_offsets(self.schema)
        shift = 0.0 if offsets is None else offsets
        answered = self.rows
        answers = {
            name: np.zeros((len(answered), self.y.shape[1])) for name in baseline_names(self.config, self.schema)
        }
        for train, rows in self.folds:
            asked, places = take(self.X, rows), np.searchsorted(answered, rows)
            weight = None if self.weight is None else self.weight[train]
            for name, model in baselines(self.schema, take(self.X, train), self.y[train], self.config, weight):
                answers[name][places] = predict(model, asked) + shift
        return answers

    @property
    def pays_a_process(self) -> bool:
        """Whether a process of its own has the answers sooner than this one, which fits the network meanwhile."""
        if usable_cores() < 2 or self.X.numeric.nbytes + self.X.categorical.nbytes > _MOST_BYTES:
            return False
        return "keras" not in sys.modules or len(self.y) >= _WORTH_ROWS


@contextmanager
def compared(prepared: Prepared) -> Iterator[Callable[[], Answers]]:
    """Begin with the simpler models; what is given waits for their answers.

    They are fitted in a process, not a thread: scikit-learn's Python would stop TensorFlow's, and limits of threads and
    filters of warnings are the process's. Where there can be no such process, or it is ended, they are fitted here.
    """
    comparison = Comparison.of(prepared)
    pool, answers = None, comparison.answers
    if comparison.pays_a_process:
        # A system without semaphores, or no process more.
        with suppress(ImportError, OSError, RuntimeError):
            pool, answers = _begun(comparison)
    try:
        yield answers
    finally:
        if pool is not None:
            # After an error nobody waits for them.
            pool.shutdown(kill_workers=True)


def _begun(comparison: Comparison) -> tuple[Any, Callable[[], Answers]]:
    """A pool of one process at work, and what waits for its answers."""
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.process_executor import BrokenProcessPool

    # Ctrl-C, which a terminal sends to both, is told by this one.
    with held_stderr(), _own_path_first():
        pool = ProcessPoolExecutor(1, initializer=_end_with, initargs=(os.getpid(),))
        found: Future[Answers] = pool.submit(comparison.answers)

    def answers() -> Answers:
        try:
            return found.result()
        except BrokenProcessPool:
            return comparison.answers()

    return pool, answers


@contextmanager
def _own_path_first() -> Iterator[None]:
    """Have a process that is started meanwhile find this package, also where a folder of the user has its name."""
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
    """Have this process end soon after ``parent``, which may be killed without a chance to say so."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)
