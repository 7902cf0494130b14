"""Folders whose manifest is gone: they are named, their rows stay, and only a deletion by name takes them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from artifact.errors import ArtifactError, DataError, NotFoundError, RefusedError
from artifact.manifest import MANIFEST
from artifact.recipe import RECIPE, KeptTable
from artifact.registry.local import LocalRegistry
from artifact.registry.retention import delete, surplus
from artifact.registry.tables import RowsAside
from artifact.registry.usage import prune, unneeded, usage
from tests.artifact.test_recipe import RECIPE_OF_HOUSES
from tests.artifact.versions import add, promoted
from tests.builders import build_manifest, build_schema


def with_rows(registry: LocalRegistry) -> tuple[Path, KeptTable]:
    """A version that needs a kept table: its folder, and the table."""
    with registry.tables.writing() as path:
        path.write_bytes(b"rows")
        table = registry.tables.add(RowsAside(path, 3))
    with registry.create("houses") as (version, folder):
        RECIPE_OF_HOUSES.model_copy(update={"table": table}).write(folder)
        build_manifest(build_schema(), "houses", version).write(folder)
    return registry.models / "houses" / version, table


def lose_file(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def lose_to_a_folder(folder: Path) -> None:
    lose_file(folder)
    (folder / MANIFEST).mkdir()


def lose_to_a_loop(folder: Path) -> None:
    lose_file(folder)
    (folder / MANIFEST).symlink_to(MANIFEST)


def lose_all_files(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def lose_the_disk(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to(folder.parent.parent / "away" / folder.name)


@pytest.mark.parametrize("lose", [lose_file, lose_to_a_folder, lose_to_a_loop, lose_all_files, lose_the_disk])
def test_rows_of_a_version_without_a_manifest_stay_until_it_is_deleted_by_name(registry, lose):
    folder, table = with_rows(registry)
    reference = f"houses:{folder.name}"
    lose(folder)
    [damaged] = registry.damaged()
    assert damaged[:3] == ("houses", folder.name, folder)
    assert damaged.problem.startswith(
        f"Expected {MANIFEST} in {folder}. Received: no such file. Put a copy of the file"
    )
    with pytest.raises(DataError, match=rf"Nothing was removed\..*{reference}: Expected {MANIFEST} in {folder}"):
        prune(registry)
    assert list(registry.tables.sizes()) == [table.sha256]
    assert usage(registry).problems == [damaged.sentence]
    assert unneeded(registry).endswith("some versions cannot be read: trueline data")
    delete(registry, reference)
    assert registry.damaged() == []
    assert not folder.is_symlink()
    assert list(prune(registry)) == [table.sha256]


def test_a_folder_with_another_name_is_a_version_by_its_files(registry):
    folder, table = with_rows(registry)
    renamed = folder.rename(folder.with_name("v1"))
    lose_file(renamed)
    assert [each.version for each in registry.damaged()] == ["v1"]
    with pytest.raises(DataError, match="houses:v1: Expected"):
        prune(registry)
    # What is no version of Trueline's keeps nothing.
    (renamed / RECIPE).unlink()
    (registry.models / "bert" / "v1").mkdir(parents=True)
    (registry.models / "stray").touch()
    assert registry.damaged() == []
    assert list(prune(registry)) == [table.sha256]


def test_models_that_are_on_a_disk_that_is_away_keep_their_rows(registry):
    folder, table = with_rows(registry)
    for place in (registry.models / "houses", registry.models):
        away = place.rename(registry.home / "away")
        place.symlink_to(registry.home / "nowhere")
        with pytest.raises(DataError, match=rf"Nothing was removed\..*{place}"):
            prune(registry)
        place.unlink()
        if place == registry.models:
            with pytest.raises(DataError, match=rf"Nothing was removed\..*{place}"):
                prune(registry)
        away.rename(place)
    assert prune(registry) == {}
    assert list(registry.tables.sizes()) == [table.sha256]
    # Without rows there is nothing to keep.
    assert LocalRegistry(registry.home / "other").damaged() == []
    shutil.rmtree(registry.models)
    registry.models.mkdir()
    assert list(prune(registry)) == [table.sha256]
    assert folder.exists() is False


def test_the_manifest_of_another_version_does_not_say_which_rows_are_needed(registry):
    folder, table = with_rows(registry)
    other = add(registry)
    shutil.copy(registry.models / "houses" / other / MANIFEST, folder / MANIFEST)
    with pytest.raises(DataError, match=rf"houses:{folder.name}: Expected the manifest of houses:{folder.name}\."):
        prune(registry)
    assert list(registry.tables.sizes()) == [table.sha256]


def test_a_damaged_folder_is_named_where_its_version_is_asked_for(registry):
    first, second = promoted(registry, 2)
    lose_file(registry.models / "houses" / second)
    for ask in (registry.resolve, registry.promote):
        with pytest.raises(NotFoundError, match=rf"Unknown version '{second}' .* Expected {MANIFEST} in .*{second}\."):
            ask(f"houses:{second}")
    with pytest.raises(DataError, match=rf"The versions of 'houses' are: {second}, {first}\."):
        delete(registry, "houses")
    # What is live stays, damaged or not.
    with pytest.raises(RefusedError, match=f"houses:{second}, the champion"):
        delete(registry, f"houses:{second}")
    lose_file(registry.models / "houses" / first)
    assert registry.names() == []
    with pytest.raises(NotFoundError, match=rf"Unknown model 'houses'.* Expected {MANIFEST} in .*{first}"):
        registry.resolve("houses")
    assert surplus(registry, "houses", 1) == []


def test_what_may_be_live_is_not_deleted_while_the_log_is_damaged(registry):
    first, second, third = promoted(registry, 3)
    newest = add(registry)
    log = registry.home / "trueline" / "deployments" / "houses"
    text = (log / "00000003.json").read_text()
    # The running workers have the third one live; the log names the second.
    (log / "00000003.json").write_text(text[:40])
    fresh = LocalRegistry(registry.home)
    for version in (first, third, newest):
        with pytest.raises(ArtifactError, match=r"Expected entry 3 .* nobody knows what is live"):
            delete(fresh, f"houses:{version}")
    with pytest.raises(ArtifactError, match="nobody knows what is live"):
        surplus(fresh, "houses", 1)
    (log / "00000003.json").write_text(text)
    assert surplus(LocalRegistry(registry.home), "houses", 1) == [first]
    # An older entry says which version the former champion is, and which one a rollback left.
    (log / "00000002.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"which versions must stay\. .* Expected entry 2 .* Nothing was deleted"):
        surplus(LocalRegistry(registry.home), "houses", 1)
    registry.promote(f"houses:{second}")
    # The former champion is known again, and what the damaged entry may have rolled back is not.
    with pytest.raises(ArtifactError, match="which versions must stay"):
        surplus(LocalRegistry(registry.home), "houses", 1)
    for version in [third, second] * 4 + [third]:
        registry.promote(f"houses:{version}")
    assert surplus(LocalRegistry(registry.home), "houses", 1) == [first]
    assert delete(LocalRegistry(registry.home), f"houses:{first}").version == first
