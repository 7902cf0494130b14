"""``refit``, ``finetune`` and ``reproduce`` with real trainings: one small version, and what is made of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import trueline
from artifact.recipe import Recipe
from artifact.registry.local import LocalRegistry
from tests.training.conftest import mixed_table
from tests.trueline.test_commands import call, last_json

QUICK = ("--cv", "2", "--set", "repeats=1", "--set", "epochs=8", "--set", "hidden=[16]", "--set", "embedding_bins=4")


def sales(folder: Path, name: str, n: int, seed: int, **columns: pl.Expr) -> Path:
    """A CSV of houses, as another draw of the same market."""
    frame = mixed_table(n, seed=seed).with_columns(**columns)
    frame.write_csv(folder / name, separator=";")
    return folder / name


def one_value(column: str, value: str) -> pl.Expr:
    """A column with one wrong value in its 17th row."""
    return pl.when(pl.int_range(pl.len()) == 16).then(pl.lit(value)).otherwise(pl.col(column).cast(pl.String))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("retrain")


@pytest.fixture(scope="module")
def environment(folder: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(folder / "home"))
        patch.setenv("COLUMNS", "250")
        yield LocalRegistry(folder / "home")


@pytest.fixture(scope="module")
def first(folder: Path, environment: LocalRegistry) -> str:
    """The first version of houses, whose rows are kept."""
    from trueline.main import run

    data = sales(folder, "houses.csv", 300, 0)
    words = ["train", str(data), "--target", "price", "--separator", ";", "--keep-data", "--model", "mlp", *QUICK, "-q"]
    assert run(words) == 0
    return environment.versions("houses")[0]


def test_refit_adds_new_rows_to_the_kept_ones_and_holds_some_out(folder, environment, first, capsys):
    data = sales(folder, "new.csv", 700, 1)
    capsys.readouterr()
    code, out, err = call(capsys, "refit", f"houses:{first}", "--append", str(data), "--note", "spring", "--json")
    assert code == 0, err
    document = last_json(out)
    assert (document["rows"], document["held_out_rows"]) == (300 + 400, 300)
    version = environment.resolve(f"houses:{document['model_version']}")
    manifest = environment.manifest(*version[:2])
    recipe, former = Recipe.read(version.path, manifest), environment.manifest("houses", first)
    # The same recipe: what was given and how it was resolved, the names, the kinds of the features.
    before = Recipe.read(environment.resolve(f"houses:{first}").path, former)
    assert (recipe.settings, recipe.reading, recipe.targets) == (before.settings, before.reading, before.targets)
    assert recipe.derivation.model_dump(exclude={"data"}) == {
        "by": "refit",
        "version": f"houses:{first}",
        "new_rows": 700,
        "appended": True,
        "newest": "",
        "calibrated": 0,
    }
    assert (manifest.note, manifest.lineage.data) == ("spring", str(data))
    held_out = pl.read_parquet(environment.tables.path(recipe.held_out, "rows"))
    training = pl.read_parquet(environment.tables.path(recipe.table, "rows"))
    assert (held_out.height, training.height) == (300, 700)
    assert held_out.join(training, on=held_out.columns, how="semi", nulls_equal=True).height < 300
    # The rows that were held out can be evaluated as they are.
    path = environment.tables.path(recipe.held_out, "rows")
    assert last_json(call(capsys, "evaluate", version.name, str(path), "--json")[1])["rows"] == 300
    # What is to be done next is no `trueline train`, which would leave out the kept rows.
    assert "Next: " not in out
    assert f"Make it serve: trueline promote houses:{version.version}" in out
    assert manifest.lineage.made_by == "refit"
    assert "Note: Held out for the comparison before a promotion: the last 300 of the 700 rows" in err


def test_reproduce_says_the_same_bits_and_stores_nothing(folder, environment, first, capsys):
    # The files that trained are not needed.
    (folder / "houses.csv").rename(folder / "gone.csv")
    before = environment.versions("houses")
    code, out, err = call(capsys, "reproduce", f"houses:{first}", "-q", "--json")
    assert code == 0, out + err
    document = last_json(out)
    assert (document["same_bits"], document["different"]) == (True, [])
    assert {"network", "intervals", "schema", "answers to the golden rows"} <= set(document["same"])
    assert "Same bits: " in out
    assert "Nothing was stored." in out
    assert environment.versions("houses") == before
    (folder / "gone.csv").rename(folder / "houses.csv")


def test_reproduce_says_what_differs_and_why(environment, first, capsys, monkeypatch):
    from training.settings.config import TrainConfig
    from trueline.retrain.earlier import Former

    whole = Former.request

    def other(former):
        request = whole(former)
        from dataclasses import replace

        return replace(request, config=TrainConfig.build(settings={**former.recipe.settings, "seed": 1}))

    monkeypatch.setattr(Former, "request", other)
    code, out, err = call(capsys, "reproduce", f"houses:{first}", "-q", "--json")
    document = last_json(out)
    assert code == 1, err
    assert "network" in document["different"]
    assert document["farthest_golden_answer"] > 0
    assert "Not the same bits" in out
    assert "Packages and devices have not changed." in out


def test_python_trains_anew_and_further_promotes_by_the_held_out_rows_and_repeats(environment, first, capsys):
    model = trueline.load(f"houses:{first}")
    frame = mixed_table(700, seed=1)
    anew = model.refit(append=frame.to_pandas(), note="from Python", quiet=True)
    assert (anew.manifest.lineage.made_by, anew.manifest.note) == ("refit", "from Python")
    recipe = Recipe.read(anew.path, anew.manifest)
    assert (recipe.held_out.rows, recipe.table.rows, recipe.command) == (300, 700, ())
    model.promote()
    judgement = trueline.compare(anew, "houses:champion")
    error = next(gate for gate in judgement.gates if gate.gate == "error")
    assert "On 300 rows" in error.sentence
    forced = [gate.gate for gate in judgement.gates if not gate.passed and gate.gate != "files"]
    assert anew.promote(force=forced, why="a try") is anew
    assert environment.deployment("houses").champion == anew.version
    further = model.finetune(mixed_table(200, seed=2).to_arrow(), tolerance=1.0, quiet=True)
    assert further.manifest.lineage.init.model_version == first
    before = environment.versions("houses")
    reproduction = anew.reproduce(quiet=True)
    assert reproduction.is_same, reproduction.sentences
    assert environment.versions("houses") == before
    assert "Note: " not in capsys.readouterr().err


def test_finetune_stores_a_version_that_starts_from_the_earlier_one(folder, environment, first, capsys):
    data = sales(folder, "more.csv", 200, 2)
    code, out, err = call(
        capsys, "finetune", f"houses:{first}", "--data", str(data), "--tolerance", "1", "--json", "-q"
    )
    assert code == 0, err
    version = last_json(out)["model_version"]
    manifest = environment.manifest("houses", version)
    assert manifest.lineage.init.model_version == first
    assert last_json(out)["derivation"]["by"] == "finetune"


@pytest.mark.parametrize("has_rows", [True, False])
def test_finetune_refuses_to_store_what_answers_old_rows_much_worse(folder, environment, first, capsys, has_rows):
    # Another market: each price is another one, so that what is learnt there does not hold for the old rows.
    data = sales(folder, "other.csv", 300, 3, price=pl.lit(5e5) - 2 * pl.col("price"))
    before = environment.versions("houses")
    [*tables] = environment.tables.folder.glob("*.parquet")
    if not has_rows:
        for path in tables:
            path.rename(path.with_suffix(".away"))
    words = ("finetune", f"houses:{first}", "--data", str(data), "--tolerance", "0.05", "-q")
    code, _, err = call(capsys, *words)
    for path in tables:
        if not has_rows:
            path.with_suffix(".away").rename(path)
    assert code == 1
    assert ("300 old rows" in err, "estimated from the change of the answers to the golden rows" in err) == (
        has_rows,
        not has_rows,
    )
    assert "nothing was stored" in err
    assert environment.versions("houses") == before
    # The kept rows of the version that was not stored are not there either.
    assert sorted(environment.tables.folder.glob("*.parquet")) == sorted(tables)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"area": pl.lit("large")}, "'area'"),
        ({"price": pl.lit(None, pl.Float64)}, "price"),
        ({"area": one_value("area", "large")}, "It has 'large' in row 17."),
        ({"price": one_value("price", "dear")}, "wrong.csv 'price' has 1 other value: 'dear' in row 17."),
    ],
)
def test_new_rows_of_other_types_or_without_a_value_of_the_target_are_refused(
    folder, environment, first, capsys, change, sentence
):
    data = sales(folder, "wrong.csv", 700, 4, **change)
    before = environment.versions("houses")
    for how in ("--data", "--append"):
        code, _, err = call(capsys, "refit", f"houses:{first}", how, str(data), "-q")
        assert code == 2, err
        assert sentence in err
    assert environment.versions("houses") == before


def test_a_refit_after_a_refit_trains_on_all_rows_and_a_warning_is_told_though_notes_are_not(
    folder, environment, first, capsys
):
    data = sales(folder, "thousands.csv", 700, 6, price=pl.col("price") / 1000)
    code, out, err = call(capsys, "refit", f"houses:{first}", "--append", str(data), "-q", "--json")
    assert (code, err.count("Warning: "), "Note: " in err) == (0, 1, False), err
    assert "of the values of 'price' lie outside of the range" in err
    version = f"houses:{last_json(out)['model_version']}"
    code, out, err = call(capsys, "refit", version, "--json")
    document = last_json(out)
    assert (code, document["rows"], document["held_out_rows"]) == (0, 700, 300), err
    assert "So the 700 rows that are kept of it train." in err
    shown = call(capsys, "show", f"houses:{document['model_version']}")[1]
    assert f"Made by `trueline refit` from {version} with the rows that are kept of it." in shown
    # Its rows are those of the earlier version, and it says so in its turn.
    recipe = Recipe.read(environment.resolve(version).path, environment.manifest("houses", version.partition(":")[2]))
    again = environment.resolve(f"houses:{document['model_version']}")
    anew = Recipe.read(again.path, environment.manifest(*again[:2]))
    assert (anew.table, anew.held_out, anew.added) == (recipe.table, recipe.held_out, True)


def test_the_numbers_of_the_recipe_are_those_of_the_settings(environment, first):
    manifest = environment.manifest("houses", first)
    settings = Recipe.read(environment.resolve(f"houses:{first}").path, manifest).settings
    assert settings["epochs"] == manifest.lineage.config["epochs"] == 8
    assert np.isfinite(manifest.metrics["price"]["rmse"])
