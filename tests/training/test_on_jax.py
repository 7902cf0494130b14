"""What the backend could change, on JAX: one process of JAX runs the checks of other files, one after the other."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from artifact import manifest as files
from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from tests.processes import ROOT
from tests.training.conftest import mixed_table
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.train import train


def trains_and_exports(folder: Path) -> None:
    mixed_table().write_csv(folder / "houses.csv")
    config = TrainConfig(folds=2, repeats=1, epochs=3, hidden=(16,), embedding_bins=4)
    registry = LocalRegistry(folder)
    manifest = train(Request(str(folder / "houses.csv"), ("price",), "houses", config), registry)
    assert manifest.lineage.backend == "jax"
    path = registry.resolve("houses").path
    assert (path / files.ONNX_MODEL).is_file()
    Predictor.load(path)


# What a check is, the file it is from, and its call there, which may take the check's own folder.
CALLS = {
    "networks_side_by_side": ("test_fit", lambda t, _: t.test_networks_side_by_side_do_not_touch_each_other("tabm")),
    "a_family_learns": (
        "test_fit",
        lambda t, _: t.test_each_family_learns_and_its_model_is_the_mean_of_its_networks("mlp"),
    ),
    "a_weight_of_0": ("test_fit", lambda t, _: t.test_a_weight_of_0_takes_a_row_out_of_the_loss()),
    "the_same_bits_beside_augmentation": (
        "test_augment",
        lambda t, _: t.test_a_network_without_augmentation_learns_the_same_bits_beside_one_with_it(True),
    ),
    "each_step_draws_anew": ("test_augment", lambda t, _: t.test_each_step_of_a_loop_draws_anew()),
    "near_rows": (
        "test_augment",
        lambda t, _: t.test_near_rows_are_near_by_their_targets_and_any_rows_are_not(),
    ),
    "an_expectile": ("test_expectile", lambda t, folder: t.jax_trains_the_level(folder)),
    "networks_are_dropped": (
        "test_population",
        lambda t, _: t.check_that_the_rest_learn_what_they_learn_beside_all(),
    ),
    "augmented_networks_are_dropped": (
        "test_population",
        lambda t, _: t.check_that_the_rest_learn_what_they_learn_beside_all(augment="noise,mixup"),
    ),
    "networks_of_a_stream_are_dropped": ("test_stream_population", lambda t, folder: t.check(folder)),
    "a_table_takes_the_others_place": ("test_stream_loops", lambda t, _: t.check(True)),
}
CHECKS = ("trains_and_exports", *CALLS)


def run(check: str, folder: Path) -> None:
    if check == "trains_and_exports":
        trains_and_exports(folder)
        return
    file, call = CALLS[check]
    # Imported here: these files load Keras, which this test's own process does without.
    call(importlib.import_module(f"tests.training.{file}"), folder)


def run_all(home: str) -> None:
    """Run in the process of JAX: print what each check raised, empty where it held."""
    from training.devices.backend import load_backend

    load_backend()
    import keras

    assert keras.backend.backend() == "jax"
    faults = {}
    for check in CHECKS:
        folder = Path(home, check)
        folder.mkdir()
        try:
            run(check, folder)
        except BaseException:  # noqa: BLE001 - whatever it is, a test shows it
            faults[check] = traceback.format_exc()
        else:
            faults[check] = ""
    sys.stdout.write(json.dumps(faults))


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    program = "import sys; from tests.training.test_on_jax import run_all; run_all(sys.argv[1])"
    command = [sys.executable, "-c", program, str(tmp_path_factory.mktemp("jax"))]
    environ = {**os.environ, "KERAS_BACKEND": "jax"}
    process = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=900)
    assert process.returncode == 0, process.stderr[-3000:]
    answer: dict[str, str] = json.loads(process.stdout.splitlines()[-1])
    return answer


@pytest.mark.parametrize("check", CHECKS)
def test_the_check_holds_on_jax(faults, check):
    assert not faults[check], faults[check]


def test_two_devices_train_the_same_networks_as_one():
    code = (
        "from training.devices.backend import load_backend\n"
        "load_backend()\n"
        "from tests.training import test_distribution as t\n"
        "t.check_that_two_devices_train_the_same_networks()\n"
        "t.check_that_real_jax_refuses_and_is_set_up()\n"
        "t.check_that_a_shared_fit_learns_in_both_precisions_and_says_so()\n"
    )
    jax = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    command = [sys.executable, "-c", code]
    environ = {**os.environ, **jax}
    process = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=480)
    assert process.returncode == 0, process.stderr[-3000:]
