"""``trueline data``: which rows are kept, who needs them, what may be removed; show and promote say so."""

from __future__ import annotations

import shutil

import pytest

from artifact.recipe import RECIPE, KeptTable, Recipe
from artifact.registry.local import LocalRegistry
from artifact.registry.tables import RowsAside
from tests.artifact.test_recipe import RECIPE_OF_HOUSES
from tests.builders import write_version
from tests.trueline.test_commands import call, last_json


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return LocalRegistry(tmp_path / "home")


def keep(home: LocalRegistry, content: bytes, rows: int = 500) -> KeptTable:
    with home.tables.writing() as path:
        path.write_bytes(content)
        return home.tables.add(RowsAside(path, rows))


def stored(home: LocalRegistry, recipe: Recipe):
    with home.create("houses") as (version, folder):
        recipe.write(folder)
        write_version(folder, version)
    return home.resolve(f"houses:{version}")


@pytest.fixture
def versions(home):
    """Two versions that share a table, one of them with held-out rows, and a table that no version needs."""
    table, held_out, unused = keep(home, b"a" * 34_210), keep(home, b"b" * 700, 300), keep(home, b"c" * 10)
    first = stored(home, RECIPE_OF_HOUSES.model_copy(update={"table": table}))
    second = stored(home, RECIPE_OF_HOUSES.model_copy(update={"table": table, "held_out": held_out}))
    return first, second, {"table": table.sha256, "held_out": held_out.sha256, "unused": unused.sha256}


def test_nothing_is_kept_unless_it_is_asked_for(home, capsys):
    assert "No rows are kept. Keep some: trueline train --keep-data" in call(capsys, "data")[1]
    assert last_json(call(capsys, "data", "--prune", "--json")[1])["removed"] == []


def test_the_tables_with_their_sizes_and_who_needs_them(home, versions, capsys):
    first, second, sha256 = versions
    code, out, _ = call(capsys, "data")
    assert code == 0
    [line] = [line for line in out.splitlines() if sha256["table"][:12] in line]
    assert "500" in line
    assert "34 kB" in line
    assert f"houses:{first.version} (training rows), houses:{second.version} (training rows)" in line
    assert "no version" in out
    document = last_json(call(capsys, "data", "--json")[1])
    by_name = {table["sha256"]: table for table in document["tables"]}
    assert by_name[sha256["held_out"]]["uses"] == [{"version": f"houses:{second.version}", "what": "held-out rows"}]
    assert by_name[sha256["unused"]]["uses"] == []


def test_prune_removes_what_no_version_needs(home, versions, capsys):
    first, second, sha256 = versions
    assert last_json(call(capsys, "data", "--prune", "--dry-run", "--json")[1])["would_remove"] == [sha256["unused"]]
    code, _, err = call(capsys, "data", "--prune")
    assert code == 2
    assert "Expected --yes" in err
    assert len(home.tables.sizes()) == 3
    code, out, _ = call(capsys, "data", "--prune", "--yes")
    assert (code, f"Removed {sha256['unused'][:12]} (10 B)." in out) == (0, True)
    deleted = call(capsys, "delete", f"houses:{second.version}", "--yes")[1]
    assert "Still kept: 1 table of rows that no version needs: trueline data --prune removes it." in deleted
    assert last_json(call(capsys, "data", "--prune", "--yes", "--json")[1])["removed"] == [sha256["held_out"]]
    shutil.rmtree(first.path)
    assert last_json(call(capsys, "data", "--prune", "--yes", "--json")[1])["removed"] == [sha256["table"]]
    assert "Nothing to remove" in call(capsys, "data", "--prune")[1]


def test_rows_of_a_folder_without_a_manifest_are_spared_and_the_folder_is_named(home, versions, capsys):
    first, second, sha256 = versions
    (second.path / "manifest.json").unlink()
    code, out, err = call(capsys, "data", "--prune", "--yes")
    assert (code, out) == (2, "")
    assert "Nothing was removed." in err
    assert f"Expected manifest.json in {second.path}. Received: no such file." in err
    assert err.endswith(f"or delete what is left: trueline delete houses:{second.version}\n")
    code, out, err = call(capsys, "data", "--prune", "--dry-run")
    assert (code, out) == (0, "Nothing would be removed while a version cannot be read.\n")
    assert str(second.path) in err
    assert last_json(call(capsys, "data", "--prune", "--dry-run", "--json")[1])["would_remove"] == []
    assert "no version that can be read" in call(capsys, "data")[1]
    assert len(home.tables.sizes()) == 3
    out = call(capsys, "delete", f"houses:{second.version}", "--yes")[1]
    assert "Still kept: 2 tables of rows that no version needs" in out
    removed = last_json(call(capsys, "data", "--prune", "--yes", "--json")[1])["removed"]
    assert sorted(removed) == sorted([sha256["held_out"], sha256["unused"]])
    assert home.tables.path(RECIPE_OF_HOUSES.read(first.path, home.manifest("houses", first.version)).table, "rows")


@pytest.mark.parametrize("content", [b"{", None])
def test_prune_removes_nothing_while_a_version_cannot_say_what_it_needs(home, versions, capsys, content):
    first, _, _ = versions
    path = first.path / RECIPE
    path.unlink() if content is None else path.write_bytes(content)
    code, _, err = call(capsys, "data", "--prune", "--yes")
    assert code == 2
    assert f"Nothing was removed. Delete or mend that version first: houses:{first.version}: Expected the recipe" in err
    assert len(home.tables.sizes()) == 3
    code, _, err = call(capsys, "data")
    assert (code, f"is not known: houses:{first.version}" in err) == (0, True)


def test_show_and_promote_say_that_rows_are_kept_and_show_says_how_to_repeat(home, versions, capsys):
    first, second, _ = versions
    code, out, err = call(capsys, "show", f"houses:{second.version}")
    assert code == 0, err
    sentence = "Its rows are kept: 500 training rows (34 kB) and 300 held-out rows (700 B)."
    assert sentence in out
    assert f"trueline refit houses:{second.version} --data NEW" in out
    assert f"trueline reproduce houses:{second.version}" in out
    assert last_json(call(capsys, "show", f"houses:{first.version}", "--json")[1])["recipe"]["targets"] == ["price"]
    promoted = call(capsys, "promote", f"houses:{first.version}")[1]
    assert "Its rows are kept: 500 training rows (34 kB). Whoever can read the store can read them" in promoted
    assert last_json(call(capsys, "promote", f"houses:{first.version}", "--json")[1])["kept_rows"] == {
        "training rows": 500
    }
