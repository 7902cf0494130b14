"""What the backend could change, on JAX: one process of JAX runs the checks of other files, one after the other."""

from __future__ import annotations

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


def networks_side_by_side(_: Path) -> None:
    from tests.training import test_fit as t

    t.test_networks_side_by_side_do_not_touch_each_other("tabm")


def a_family_learns(_: Path) -> None:
    from tests.training import test_fit as t

    t.test_each_family_learns_and_its_model_is_the_mean_of_its_networks("mlp")


def a_weight_of_0(_: Path) -> None:
    from tests.training import test_fit as t

    t.test_a_weight_of_0_takes_a_row_out_of_the_loss()


def the_same_bits_beside_augmentation(_: Path) -> None:
    from tests.training import test_augment as t

    t.test_a_network_without_augmentation_learns_the_same_bits_beside_one_with_it(True)


def each_step_draws_anew(_: Path) -> None:
    from tests.training import test_augment as t

    t.test_each_step_of_a_loop_draws_anew()


def near_rows(_: Path) -> None:
    from tests.training import test_augment as t

    t.test_near_rows_are_near_by_their_targets_and_any_rows_are_not()


def an_expectile(folder: Path) -> None:
    from tests.training import test_expectile as t

    t.jax_trains_the_level(folder)


def networks_are_dropped(_: Path) -> None:
    from tests.training import test_population as t

    t.check_that_the_rest_learn_what_they_learn_beside_all()


def augmented_networks_are_dropped(_: Path) -> None:
    from tests.training import test_population as t

    t.check_that_the_rest_learn_what_they_learn_beside_all(augment="noise,mixup")


def networks_of_a_stream_are_dropped(folder: Path) -> None:
    from tests.training import test_stream_population as t

    t.check(folder)


def a_table_takes_the_others_place(_: Path) -> None:
    from tests.training import test_stream_loops as t

    t.check(True)


CHECKS = (
    trains_and_exports,
    networks_side_by_side,
    a_family_learns,
    a_weight_of_0,
    the_same_bits_beside_augmentation,
    each_step_draws_anew,
    near_rows,
    an_expectile,
    networks_are_dropped,
    augmented_networks_are_dropped,
    networks_of_a_stream_are_dropped,
    a_table_takes_the_others_place,
)


def run_all(home: str) -> None:
    """Run in the process of JAX: print what each check raised, empty where it held."""
    from training.devices.backend import load_backend

    load_backend()
    import keras

    assert keras.backend.backend() == "jax"
    faults = {}
    for check in CHECKS:
        folder = Path(home, check.__name__)
        folder.mkdir()
        try:
            check(folder)
        except BaseException:  # noqa: BLE001 - whatever it is, a test shows it
            faults[check.__name__] = traceback.format_exc()
        else:
            faults[check.__name__] = ""
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


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_check_holds_on_jax(faults, check):
    assert not faults[check.__name__], faults[check.__name__]


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
