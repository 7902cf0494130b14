"""A training stores its recipe, and the rows where it is asked to; from both it is trained again to the same bits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from artifact.errors import RefusedError
from artifact.manifest import ONNX_MODEL
from artifact.recipe import Recipe
from artifact.registry.local import LocalRegistry
from tests.training.conftest import mixed_table
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.table.corrections import Corrections
from training.table.reading import Reading
from training.train import train

QUICK = {"model": "mlp", "folds": 2, "repeats": 1, "epochs": 1, "hidden": (8,), "embedding_bins": 4}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory):
    """A registry with one version whose rows are kept, and the request that made it."""
    folder: Path = tmp_path_factory.mktemp("kept")
    mixed_table().write_csv(folder / "houses.csv", separator=";")
    registry = LocalRegistry(folder / "home")
    request = Request(
        str(folder / "houses.csv"),
        ("price",),
        "houses",
        TrainConfig.build(settings=dict(QUICK)),
        Corrections.of({"features": {"area": {"unit": "m2"}}}),
        weight="rooms",
        reading=Reading(separator=";"),
        command=(str(folder / "houses.csv"), "--target", "price"),
        keep_data=True,
    )
    manifest = train(request, registry)
    return registry, request, manifest


def test_the_recipe_has_what_was_asked_for(kept):
    registry, request, manifest = kept
    folder = registry.resolve("houses").path
    recipe = Recipe.read(folder, manifest)
    assert (recipe.data, recipe.targets, recipe.weight, recipe.group) == (request.data, ("price",), "rooms", None)
    # As given: what a preset decides is not here but in the lineage.
    assert recipe.settings == {**QUICK, "hidden": [8]}
    assert recipe.corrections == {"features": {"area": {"unit": "m2"}}}
    assert recipe.reading.separator == ";"
    assert recipe.command == request.command
    assert list(recipe.columns) == mixed_table().columns
    assert recipe.table is not None
    assert recipe.table.rows == 240
    assert registry.tables.sizes() == {recipe.table.sha256: recipe.table.size}


def test_the_kept_rows_train_the_same_bits_and_are_kept_once(kept):
    registry, request, manifest = kept
    recipe = Recipe.read(registry.resolve("houses").path, manifest)
    path = registry.tables.path(recipe.table, "rows")
    again = train(replace(request, data=str(path), reading=Reading(), name="again"), registry)
    same = {name for name in manifest.files if manifest.files[name] == again.files.get(name)}
    assert same >= {ONNX_MODEL, "schema.json", "calibration.json", "profile.json", "golden.json"}
    assert again.metrics == manifest.metrics
    assert again.lineage.data_fingerprint == manifest.lineage.data_fingerprint
    assert len(registry.tables.sizes()) == 1


def test_what_is_not_accepted_is_not_stored_and_its_rows_are_not_kept(kept):
    registry, request, _ = kept

    def refuse(predictor):
        assert predictor.manifest.model_name == "refused"
        raise RefusedError("no")

    table = mixed_table(100)
    with pytest.raises(RefusedError):
        train(replace(request, data="a table", table=table, name="refused", accept=refuse), registry)
    assert registry.versions("refused") == []
    assert len(registry.tables.sizes()) == 1
    assert not list(registry.staging.iterdir())
