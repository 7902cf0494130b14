"""The speed of the compiled loop: ``python -m benchmarks.training_speed``.

Steps per second of Trueline's loop are compared to ``keras.Model.fit`` as tutorials call it: the same network (13
features, two layers of 64 with relu), loss, optimiser (Adam) and batch (32 rows), each in a process of its own, in
turns. Then the wall time of 64 such networks side by side is compared to that of one: dealt to the processor's cores
as training deals them, and, on TensorFlow, also kept together. The loop shuffles its rows as training does. Both sides
compile before the clock starts. ``KERAS_BACKEND`` chooses the backend, ``--device`` the device; the line above the
table names both.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np

from benchmarks.machine import describe

FEATURES, HIDDEN, BATCH, NETWORKS = 13, (64, 64), 32, 64
# Limits: the loop has at least this many times the steps per second of ``fit``, and all networks take at most this many
# times the wall time of one.
LIMITS = {"cpu": (3, 16), "gpu": (20, 3)}

# Set in each process; it runs one epoch, with a step for each batch.
_epoch: Callable[[], object]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_speed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each; defaults to 5")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of a round; defaults to 4")
    parser.add_argument("--rows", type=int, default=16_000, help="rows of the table; defaults to 16,000")
    parser.add_argument("--device", default="auto", help="as `trueline train` takes it; defaults to auto")
    options = parser.parse_args(arguments)
    if min(options.rounds, options.epochs) < 1 or options.rows < BATCH:
        parser.error(f"Expected at least 1 round, 1 epoch and {BATCH} rows. Received: {options}.")
    kinds = {
        "keras.Model.fit": (_fit, ()),
        "compiled loop": (_loop, (1,)),
        f"compiled loop, {NETWORKS} networks": (_loop, (NETWORKS,)),
    }
    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
        kinds[f"compiled loop, {NETWORKS} networks, together"] = (_loop, (NETWORKS, True))
    context = multiprocessing.get_context("spawn")
    pools = {
        name: ProcessPoolExecutor(1, context, initializer=build, initargs=(options.rows, options.device, *more))
        for name, (build, more) in kinds.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    for pool in pools.values():  # one after another: they share the cores
        backend, device = pool.submit(_described, options.device).result()
    for _ in range(options.rounds):
        for name, pool in pools.items():
            seconds[name].append(pool.submit(_timed, options.epochs).result())
    for pool in pools.values():
        pool.shutdown()
    steps = options.epochs * (options.rows // BATCH)
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {describe()}, {backend} on {device}; medians of {options.rounds} rounds of ",
        end="",
    )
    print(f"{steps:,} steps.\n\n| | steps/s | lowest - highest | wall time |\n| --- | --- | --- | --- |")
    for name, times in seconds.items():
        median = statistics.median(times)
        spread = f"{steps / max(times):,.0f} - {steps / min(times):,.0f}"
        print(f"| {name} | {steps / median:,.0f} | {spread} | {median:.2f} s |")
    return _judge(device, *list(seconds.values())[:3])


def _judge(device: str, fit: list[float], one: list[float], many: list[float]) -> int:
    """Print limits and figures, medians of the rounds' ratios; 1 where a limit is not met."""
    least, most = LIMITS["cpu" if device.startswith("cpu") else "gpu"]
    faster = statistics.median(a / b for a, b in zip(fit, one, strict=True))
    slower = statistics.median(a / b for a, b in zip(many, one, strict=True))
    print("\n| what | asked | reached | met |\n| --- | --- | --- | --- |")
    print(f"| steps/s of the loop, of `keras.Model.fit` | at least {least} | {faster:.1f} | {_met(faster >= least)} |")
    print(f"| wall time of {NETWORKS} networks, of one | at most {most} | {slower:.1f} | {_met(slower <= most)} |")
    return 0 if faster >= least and slower <= most else 1


def _met(met: bool) -> str:
    return "yes" if met else "no"


def _table(n_rows: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, FEATURES)).astype(np.float32)
    return X, (X[:, :1] * 2 + np.sin(X[:, 1:2])).astype(np.float32)


def _fit(n_rows: int, device: str) -> None:
    """Set up ``fit`` as a tutorial calls it, on arrays in memory."""
    global _epoch
    from training.devices.backend import load_backend

    load_backend(device)
    import keras

    X, y = _table(n_rows // BATCH * BATCH)
    layers = [keras.Input((FEATURES,)), *(keras.layers.Dense(units, activation="relu") for units in HIDDEN)]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse")

    def epoch() -> object:
        return model.fit(X, y, batch_size=BATCH, epochs=1, verbose=0)

    epoch()
    _epoch = epoch


def _loop(n_rows: int, device: str, networks: int, together: bool = False) -> None:
    """Set up Trueline's loop on the same network, deterministic as in training; ``together``: none is dealt."""
    global _epoch
    from training.devices.backend import load_backend

    devices = load_backend(device)
    import keras
    from keras import ops

    from artifact.layers import StackedDense, StackedHeads
    from training.fit.loops import Loop, open_loop
    from training.fit.loops.problem import Hardware, Minimised, Problem, Steps, Table, Update
    from training.networks.model import make_deterministic

    make_deterministic(0)
    X, y = _table(n_rows)
    x = numeric = keras.Input(batch_shape=(None, None, FEATURES), dtype="float32", name="numeric")
    for units in HIDDEN:
        x = StackedDense(networks, units, "relu")(x)
    core = keras.Model({"numeric": numeric}, StackedHeads(networks, 1, 1)(x))

    def squared(y: Any, outputs: Any) -> Any:
        return ops.mean(ops.square(y - outputs), axis=-1)

    problem = Problem(
        core=core,
        members=1,
        rows=Table({"numeric": X}, y, None),
        minimised=Minimised(squared, squared),
        update=Update(keras.optimizers.Adam()),
        # As many steps as the tutorials' hundred epochs of a table of this size.
        steps=Steps(BATCH, n_rows // BATCH, 100 * (n_rows // BATCH)),
        hardware=Hardware(devices, "auto"),
    )
    if together:
        from training.fit.loops.tensorflow import TensorFlowLoop

        loop: Loop = TensorFlowLoop(problem)
    else:
        loop = open_loop(problem)
    rng, steps = np.random.default_rng(0), n_rows // BATCH

    def epoch() -> object:
        orders = [rng.permutation(n_rows)[: steps * BATCH].reshape(steps, BATCH) for _ in range(networks)]
        return loop.run(np.stack(orders, axis=1).astype(np.int32))

    epoch()
    _epoch = epoch


def _described(device: str) -> tuple[str, str]:
    import keras

    from training.devices.devices import take_devices

    return keras.backend.backend(), ", ".join(map(str, take_devices(device)))


def _timed(epochs: int) -> float:
    """Wall seconds of some epochs."""
    began = time.perf_counter()
    for _ in range(epochs):
        _epoch()
    return time.perf_counter() - began


if __name__ == "__main__":
    # No message of a library belongs into the table.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
