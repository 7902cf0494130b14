"""A loop can replace its table by another one, on each backend, without compiling again."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from artifact.layers import StackedHeads
from training.fit.loops import open_loop
from training.fit.loops.problem import Minimised, Problem, Steps, Table, Update

N, BATCH = 40, 8


def table(seed: int, *, weighted: bool) -> Table:
    rng = np.random.default_rng(seed)
    weight = rng.random(N).astype(np.float32) if weighted else None
    X = rng.normal(size=(N, 3)).astype(np.float32)
    return Table({"numeric": X}, rng.normal(size=(N, 1)).astype(np.float32), weight)


def loop_of(rows: Table):
    keras.utils.set_random_seed(0)
    numeric = keras.Input(batch_shape=(None, None, 3), dtype="float32", name="numeric")
    core = keras.Model({"numeric": numeric}, StackedHeads(1, 1, 1)(numeric))

    def squared(y, outputs):
        return ops.mean(ops.square(y - outputs), axis=-1)

    return open_loop(
        Problem(
            core=core,
            members=1,
            rows=rows,
            minimised=Minimised(squared, squared),
            update=Update(keras.optimizers.SGD(0.1)),
            steps=Steps(BATCH),
            streamed=True,
        )
    )


def check(weighted: bool) -> None:
    """Steps on a table that replaced another are those of a loop that was opened on it."""
    first, second = table(1, weighted=weighted), table(2, weighted=weighted)
    steps = np.arange(N, dtype=np.int32).reshape(-1, 1, BATCH)
    replaced, opened = loop_of(first), loop_of(second)
    answers = replaced.outputs(steps.reshape(1, -1))
    replaced.replace(second)
    assert not np.allclose(replaced.outputs(steps.reshape(1, -1)), answers)
    for _ in range(2):
        np.testing.assert_allclose(replaced.run(steps), opened.run(steps), rtol=1e-6)
    for one, other in zip(replaced.weights(), opened.weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    if keras.backend.backend() == "jax":
        from tests.training.compiles import compiles_from_now_on

        compiles = compiles_from_now_on()
        replaced.replace(first)
        replaced.run(steps)
        assert compiles == []
        # The events tell: a loop of its own is compiled.
        loop_of(first).run(steps)
        assert compiles


@pytest.mark.parametrize("weighted", [False, True])
def test_a_table_takes_the_others_place(weighted):
    check(weighted)
