"""Several devices train the same networks as one. JAX makes two devices from one processor, in its own process."""

from __future__ import annotations

import os

import keras
import numpy as np
import pytest

from training.devices.devices import Device
from training.devices.distribution import Distribution

TWO = (Device("cpu:0", handle="cpu:0"), Device("cpu:1", handle="cpu:1"))
FOUR = tuple(Device(f"gpu:{i}", handle=f"gpu:{i}") for i in range(4))


@pytest.mark.parametrize(
    ("devices", "networks", "batch", "axis", "n"),
    [
        ((), 8, 32, "", 1),
        (FOUR[:1], 8, 32, "", 1),
        (FOUR, 8, 32, "networks", 4),
        # Rows are shared where networks cannot be shared evenly.
        (FOUR, 2, 32, "batch", 4),
        (FOUR, 15, 256, "batch", 4),
        # Fewer devices are taken where neither can be shared evenly.
        (FOUR, 15, 50, "networks", 3),
        (FOUR[:2], 3, 7, "", 1),
        (FOUR[:2], 3, 0, "", 1),
    ],
)
def test_networks_are_shared_and_else_rows(devices, networks, batch, axis, n):
    shared = Distribution.of(devices, networks, batch)
    assert (shared.axis, shared.n_devices) == (axis, n)
    assert shared.handles == tuple(d.handle for d in devices[:n])


def test_the_log_says_what_is_shared():
    assert Distribution.of(FOUR, 8, 32).sentence(8, 32) == "8 networks shared among 4 devices"
    assert Distribution.of(FOUR, 2, 32).sentence(2, 32) == "batches of 32 rows shared among 4 devices"
    assert Distribution.of((), 2, 32).sentence(2, 32) == "one device"


def check_that_two_devices_train_the_same_networks() -> None:
    """One device and two take steps with dropout from the same weights."""
    import jax

    from tests.training.compiles import compiles_from_now_on
    from tests.training.test_fit import N, problem, settings
    from training.fit.loops import open_loop
    from training.fit.loops.problem import Hardware, Steps

    assert len(jax.devices("cpu")) == 2
    for model, networks, axis, part in (("tabm", 4, "networks", 2), ("mlp", 3, "batch", 3)):
        config = settings(model=model, dropout=0.2)
        rows = np.random.default_rng(0).integers(0, N, (6, networks, 16)).astype(np.int32)
        states = []
        for devices in (TWO[:1], TWO):
            keras.utils.set_random_seed(0)
            loop = open_loop(problem(config, networks, steps=Steps(16), hardware=Hardware(devices)))
            start = loop.weights()
            losses = [loop.run(rows)]
            compiles = compiles_from_now_on()
            losses.append(loop.run(rows))
            assert compiles == []
            answers = loop.outputs(rows[0])
            weights = loop.weights()
            loop.set_weights(weights)
            np.testing.assert_array_equal(loop.outputs(rows[0]), answers)
            states.append((start, losses, answers, weights, loop))
        (start, losses, answers, weights, _), (start_2, losses_2, answers_2, weights_2, loop) = states
        for a, b in zip(start, start_2, strict=True):
            np.testing.assert_array_equal(a, b)
        assert any(np.abs(w - s).max() > 1e-3 for w, s in zip(weights, start, strict=True))
        np.testing.assert_allclose(losses, losses_2, rtol=1e-4)
        np.testing.assert_allclose(answers, answers_2, rtol=1e-3, atol=1e-4)
        for a, b in zip(weights, weights_2, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
        # The state stays shared: each device has its own networks, or all networks and its own rows.
        assert loop.problem.distribution.axis == axis
        for value in (*loop._state[0], *(v for v in loop._state[2] if v.ndim > 1)):
            assert [shard.data.shape[0] for shard in value.addressable_shards] == [part, part]


def check_that_a_shared_fit_learns_in_both_precisions_and_says_so() -> None:
    from tests.training.test_precision import check_that_mixed_precision_learns_as_much
    from training.fit import fit

    fit.take_devices = lambda *arguments: TWO
    fitted = check_that_mixed_precision_learns_as_much("mlp")
    shared = "batches of 16 rows shared among 2 devices"
    assert fitted.computed == ("jax", "cpu:0, cpu:1", "mixed_bfloat16", shared)


def check_that_real_jax_refuses_and_is_set_up() -> None:
    import jax

    from artifact.errors import DataError
    from training.devices.backend import load_backend
    from training.devices.devices import take_devices
    from training.devices.precision import products_in

    assert load_backend("cpu", 1_000_000) == (Device("cpu:0"),)
    with pytest.raises(DataError, match=r"--device gpu\. Received: JAX .* sees none"):
        take_devices("gpu")
    with products_in("tf32"):
        assert jax.config.jax_default_matmul_precision == "tensorfloat32"
    assert jax.config.jax_default_matmul_precision is None
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert "--xla_gpu_deterministic_ops=true" in os.environ["XLA_FLAGS"]
