"""A version's recipe: read as it was written; one that is missing, changed or newer is told in a sentence."""

from __future__ import annotations

import json

import pytest

from artifact.errors import ArtifactError, DataError
from artifact.manifest import Manifest
from artifact.recipe import FORMAT, RECIPE, KeptTable, Recipe, recipe_if_any
from tests.builders import build_version, write_version

RECIPE_OF_HOUSES = Recipe(
    name="houses",
    data="houses.csv",
    targets=("price",),
    time="sold",
    settings={"preset": "fast", "epochs": 3},
    corrections={"features": {"age": {"unit": "years"}}},
    columns={"age": "Float64", "sold": "String", "price": "Float64"},
    table=KeptTable(sha256="a" * 64, rows=500, size=12_345),
)


def stored(registry, recipe=RECIPE_OF_HOUSES):
    with registry.create("houses") as (version, folder):
        recipe.write(folder)
        write_version(folder, version)
    return registry.resolve(f"houses:{version}")


def test_a_recipe_is_read_as_it_was_written(registry):
    version = stored(registry)
    manifest = registry.manifest(*version[:2])
    assert Recipe.read(version.path, manifest) == RECIPE_OF_HOUSES
    assert RECIPE in manifest.files
    assert list(RECIPE_OF_HOUSES.kept_tables) == ["training rows"]


def test_a_version_without_a_recipe_says_what_is_missing(registry):
    version = build_version(registry)
    manifest = registry.manifest(*version[:2])
    assert recipe_if_any(version.path, manifest) is None
    with pytest.raises(
        DataError, match=r"stored without one\. Nobody knows which settings were given.*`trueline train`"
    ):
        Recipe.read(version.path, manifest)


@pytest.mark.parametrize("change", [None, b"{", b'{"format": 1}'])
def test_a_recipe_that_is_gone_or_changed_is_refused(registry, change):
    version = stored(registry)
    path = version.path / RECIPE
    path.unlink() if change is None else path.write_bytes(change)
    with pytest.raises(ArtifactError, match=r"Expected the recipe of houses:"):
        Recipe.read(version.path, registry.manifest(*version[:2]))


def test_a_recipe_of_a_newer_format_says_so(registry):
    with registry.create("houses") as (version, folder):
        newer = {**RECIPE_OF_HOUSES.model_dump(mode="json"), "format": FORMAT + 1, "what": "nobody knows"}
        (folder / RECIPE).write_text(json.dumps(newer))
        write_version(folder, version)
    newest = registry.resolve(f"houses:{version}")
    with pytest.raises(ArtifactError, match=r"Received: format 2, which this Trueline does not know\. Update Trueline"):
        Recipe.read(newest.path, Manifest.read(newest.path))
