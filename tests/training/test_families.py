"""A family is one record: a registered toy family is trained, exported, served, and listed with the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import keras
import numpy as np
import polars as pl
import pytest
from prometheus_client import CollectorRegistry

from artifact.errors import DataError
from artifact.layers import StackedDense
from artifact.manifest import ONNX_MODEL, Manifest
from artifact.predictor import Predictor
from artifact.registry.entry import Statement
from artifact.registry.local import LocalRegistry
from docs.reference import training as pages
from service.metrics.metrics import Metrics
from service.settings.settings import Settings
from service.worker import Worker
from tests.service.conftest import calling
from training.families import FAMILIES, Family, models, networks, readers
from training.objectives import KINDS, objective_of
from training.objectives.kind import Kind
from training.objectives.point import point
from training.prepare.request import Request
from training.prepare.streamed import check_settings
from training.settings.config import TrainConfig
from training.train import train
from training.transfer.earlier import can_start
from trueline.main import cli

ROWS = [{"a": 0.5, "b": -1.0, "town": "York"}, {"a": -0.5, "b": None, "town": "Hull"}]


def build_toy(inputs: Any, settings: Any) -> Any:
    """One hidden layer of tanh, side by side with the features."""
    x = inputs.joined()
    return StackedDense(inputs.networks, settings.required("hidden")[0], "tanh", name="hidden_0")(x)


TOY = Family(
    name="toy",
    summary="One hidden layer, for tests.",
    build=build_toy,
    mixes=lambda objective: objective == "mse",
    streams=False,
    starts=False,
    keeps_rows=True,
    defaults={"hidden": (6,), "activation": "tanh", "dropout": 0.0, "members": 1, "learning_rate": 0.02},
    settings=("hidden",),
)


def table(n: int = 120) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, n))
    town = rng.choice(["Leeds", "York"], n)
    y = np.sin(a) + b * (town == "York") + rng.normal(0, 0.1, n)
    return pl.DataFrame({"a": a, "b": [None if i % 9 == 0 else v for i, v in enumerate(b)], "town": town, "y": y})


def option_help(name: str) -> str:
    command = cli.get_command(click.Context(cli), "train")
    assert command is not None
    (option,) = (p for p in command.params if isinstance(p, click.Option) and name in p.opts)
    return option.help or ""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalRegistry, Manifest]:
    """A version of the toy family."""
    home = tmp_path_factory.mktemp("toy")
    table().write_csv(home / "t.csv")
    registry = LocalRegistry(home)
    config = {"model": "toy", "folds": 2, "repeats": 1, "epochs": 3}
    with FAMILIES.registered(TOY):
        manifest = train(Request(str(home / "t.csv"), ("y",), "m", TrainConfig.build(settings=config)), registry)
    return registry, manifest


def test_a_registered_family_is_trained_and_exported_as_one_function(toy):
    registry, manifest = toy
    assert (manifest.family, manifest.lineage.config["hidden"]) == ("toy", [6])
    assert any("rows of the table, which toy needs to answer" in note for note in manifest.notes)
    folder = registry.resolve("m").path
    assert (folder / ONNX_MODEL).exists()
    by_keras = Predictor.load(folder, runtime="keras").predict_rows(ROWS)
    by_onnx = Predictor.load(folder, runtime="onnx").predict_rows(ROWS)
    np.testing.assert_allclose(by_onnx.value, by_keras.value, rtol=1e-4, atol=1e-5)
    assert np.ptp(by_onnx.value) > 0


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_registered_family_is_served_where_it_is_not_registered(toy):
    registry, _ = toy
    registry.promote("m", statement=Statement(forced=("verdict",)))
    worker = Worker(Settings(), registry, Metrics(CollectorRegistry()))
    async with calling(worker, inner_paths=[], inner_mounts=[]) as http:
        answer = await http.post("/predict", json={"rows": ROWS})
        assert answer.status_code == 200, answer.text
        document = (await http.get("/model")).json()
    expected = Predictor.load(registry.resolve("m").path).predict_rows(ROWS).value[:, 0].tolist()
    assert [row["value"] for row in answer.json()["predictions"]] == expected
    assert document["family"] == "toy"


def test_a_registered_family_stands_in_settings_help_and_pages_for_as_long():
    assert "toy" not in option_help("--model")
    with FAMILIES.registered(TOY):
        assert "polynomial, stepwise or toy." in option_help("--model")
        assert "| `toy` | One hidden layer, for tests. |" in pages.family_names()
        assert "| `toy` |" in pages.families().splitlines()[1].replace("`mlp` | ", "")
        assert "`stepwise`, `toy`." in " ".join(pages.settings({}, {}).split())
        assert TrainConfig(model="toy").resolved(500).hidden == (6,)
        assert TrainConfig(mix=("mlp", "toy")).mix == ("mlp", "toy")
        with pytest.raises(DataError, match=r"'stepwise' or 'toy'\. Received: model='tony'"):
            TrainConfig.build(settings={"model": "tony"})
        with pytest.raises(DataError, match=r"a network \(tabm, realmlp, mlp or toy\) .* Received: model=toy"):
            check_settings(TrainConfig(model="toy"))
        assert "toy" not in can_start("mse")
        with (
            pytest.raises(ValueError, match=r"Expected a family of a new name\. Received: 'toy'"),
            FAMILIES.registered(TOY),
        ):
            pass
    assert "toy" not in FAMILIES
    with pytest.raises(DataError, match="Received: model='toy'"):
        TrainConfig.build(settings={"model": "toy"})


def test_a_layer_of_a_familys_own_is_written_by_its_own_writer(tmp_path):
    from training.export.onnx_graph import UnsupportedError, write_onnx

    class Doubled(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return 2.0 * x

    numbers = keras.Input((3,), name="numeric")
    model = keras.Model(numbers, {"value": Doubled()(numbers)})
    with pytest.raises(UnsupportedError, match="Doubled"):
        write_onnx(model, tmp_path / "m.onnx")
    own = Family("own", "Twice.", onnx={"Doubled": lambda graph, layer, x: graph.add("Mul", x, np.float32(2))})
    with FAMILIES.registered(own):
        write_onnx(model, tmp_path / "m.onnx")
    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    x = np.array([[1.0, -2.0, 0.5]], np.float32)
    np.testing.assert_array_equal(session.run(None, {"numeric": x})[0], 2 * x)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_record_agrees_with_itself(name):
    family = FAMILIES[name]
    assert family.name == name
    assert family.summary.endswith((".", "only."))
    assert set(family.defaults) | set(family.settings) <= set(TrainConfig.model_fields)
    assert (family.solver is not None) == bool(family.solves)
    assert (family.build is None) == (family.grow is not None)
    for objective in KINDS:
        way = family.way(objective)
        assert family.can_stream(objective) == family.can_start(objective) == (way == "trained")
        assert family.is_solved(objective) == (way == "solved")


def test_how_each_family_is_fitted():
    assert networks() == ("tabm", "realmlp", "mlp")
    assert models() == tuple(name for name in FAMILIES if name != "trees")
    assert {n for n, f in FAMILIES.items() if f.is_solved("mse")} == set(models()) - set(networks())
    assert [n for n in models() if FAMILIES[n].way("mae") is None] == list(models())[4:]
    assert FAMILIES["linear"].way("mae") == "trained"
    assert readers("l1_ratio") == ("elastic-net",)


def test_a_registered_objective_is_trained_compared_and_stands_in_help_and_pages(tmp_path):
    """The objective is a smooth absolute error."""

    def log_cosh(settings: Any) -> Any:
        return point(kind, lambda e: keras.ops.logaddexp(e, -e), lambda e: np.logaddexp(e, -e))

    kind = Kind("log_cosh", "nearly the median", log_cosh, "identity", "mae", "MAE", shown="log-cosh loss")
    table().write_csv(tmp_path / "t.csv")
    with KINDS.registered(kind):
        assert "tweedie, logistic or log_cosh." in option_help("--objective")
        assert "| `log_cosh` | nearly the median | all | MAE |" in pages.objectives()
        words = {"objective": "log_cosh", "model": "mlp", "folds": 2, "repeats": 1, "epochs": 3, "hidden": (8,)}
        config = TrainConfig.build(settings=words)
        assert objective_of(config).shown(4.0) == 4.0
        manifest = train(Request(str(tmp_path / "t.csv"), ("y",), "m", config), LocalRegistry(tmp_path))
    assert (manifest.objective, manifest.verdict.metric) == ("log_cosh", "mae")
    assert {"median", "ridge", "hist_gradient_boosting"} <= set(manifest.baselines)
    with pytest.raises(DataError, match="Received: objective='log_cosh'"):
        TrainConfig.build(settings=words)


def test_records_are_read_without_what_trains(tmp_path):
    """A wrong name is reported, and --help listed, at once, and where no training package is installed."""
    heavy = ("keras", "tensorflow", "sklearn", "polars", "onnx")
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({heavy}))\n"
        "from training.families import FAMILIES\nfrom training.objectives import KINDS\n"
        "assert len(FAMILIES) > 5 and len(KINDS) > 5\n"
        "from trueline.main import run\nrun(['train', '--help'])\n"
    )
    root = Path(__file__).parents[2]
    process = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert "elastic-net" in process.stdout
    assert "tweedie or logistic" in " ".join(process.stdout.split())
