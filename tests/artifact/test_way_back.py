"""Where a rollback returns to: what it skips, what it refuses, and that two at once go back one version."""

from __future__ import annotations

import shutil

import pytest

from artifact.errors import ArtifactError, DataError, RefusedError
from artifact.manifest import MANIFEST, SCHEMA
from artifact.registry.entry import Change
from artifact.registry.local import LocalRegistry
from artifact.registry.log import TakenError
from artifact.registry.retention import reserved
from tests.artifact.test_aliases import log_folder, numbers
from tests.artifact.versions import add, champion, promoted
from tests.builders import build_version


def test_former_champions_that_are_gone_are_named(registry):
    first, second, third, fourth = promoted(registry, 4)
    assert registry.way_back("houses").note == ""
    shutil.rmtree(registry.models / "houses" / third)
    way = registry.way_back("houses")
    assert (way.former.version, way.champion, way.number, way.skipped) == (second, fourth, 4, (third,))
    shutil.rmtree(registry.models / "houses" / second)
    way = registry.way_back("houses")
    assert way.note == (
        f"Skipped houses:{third}, houses:{second}, which were live after houses:{first}: the store does not have them "
        "any more."
    )
    assert registry.rollback("houses", way=way).version == champion(registry) == first


def change_a_file(folder):
    (folder / SCHEMA).write_text("{}")


def lose_a_file(folder):
    (folder / SCHEMA).unlink()


def truncate_the_manifest(folder):
    (folder / MANIFEST).write_text("{")


def lose_the_manifest(folder):
    (folder / MANIFEST).unlink()


@pytest.mark.parametrize("damage", [change_a_file, lose_a_file, truncate_the_manifest, lose_the_manifest])
def test_a_damaged_former_champion_is_refused_as_a_promotion_refuses_it(registry, damage):
    spare = add(registry)
    first, second = (build_version(registry, promote=True) for _ in range(2))
    damage(first.path)
    with pytest.raises(RefusedError) as refused:
        registry.rollback("houses")
    assert str(refused.value).startswith(
        f"Expected a former champion that is whole. Received: houses:{first.version}, which is damaged: a worker that "
        "starts could not load it. Expected "
    )
    assert str(refused.value).endswith(f"or promote another version: `trueline promote houses:{spare}`.")
    assert (champion(registry), numbers(registry)) == (second.version, [1, 2])


def test_another_versions_files_are_no_way_back(registry):
    first, second = (build_version(registry, promote=True, seed=seed) for seed in (0, 1))
    shutil.rmtree(first.path)
    shutil.copytree(second.path, first.path)
    with pytest.raises(RefusedError, match=f"Expected the manifest of houses:{first.version}"):
        registry.rollback("houses")


def test_of_two_rollbacks_at_once_one_is_done_and_the_other_is_told(registry):
    first, second, _ = promoted(registry, 3)
    one, other = LocalRegistry(registry.home), LocalRegistry(registry.home)
    ways = one.way_back("houses"), other.way_back("houses")
    assert one.rollback("houses", way=ways[0]).version == second
    with pytest.raises(TakenError, match=rf"Expected entry 4 .* Received: rollback to houses:{second} by"):
        other.rollback("houses", way=ways[1])
    assert (champion(registry), numbers(registry)) == (second, [1, 2, 3, 4])
    # Who has seen that rollback goes back one more.
    assert other.rollback("houses").version == champion(registry) == first


def test_a_rollback_that_waits_for_the_lock_goes_back_from_what_it_read(registry, monkeypatch):
    """The other rollback comes between the look at the log and the lock."""
    _, second, _ = promoted(registry, 3)
    lock = registry.lock

    def late(name):
        monkeypatch.undo()
        LocalRegistry(registry.home).rollback("houses")
        return lock(name)

    monkeypatch.setattr(registry, "lock", late)
    with pytest.raises(TakenError):
        registry.rollback("houses")
    assert champion(registry) == second


def test_a_damaged_log_is_no_lack_of_former_champions(registry):
    promoted(registry, 2)
    path = log_folder(registry) / "00000002.json"
    path.write_text("{")
    # Only the first entry counts now, and it has no former champion.
    with pytest.raises(ArtifactError, match=r"Expected entry 2 .* do not count: put a copy of the file back"):
        LocalRegistry(registry.home).rollback("houses")
    path.rename(path.with_name("00000003.json"))
    with pytest.raises(ArtifactError, match="without gaps"):
        LocalRegistry(registry.home).rollback("houses")


def test_an_older_entry_that_is_damaged_stops_a_rollback_that_needs_it_and_nothing_else(registry):
    first, _, third = promoted(registry, 3)
    path = log_folder(registry) / "00000002.json"
    path.write_text('{"number": 2')
    fresh = LocalRegistry(registry.home)
    assert (champion(fresh), numbers(fresh), fresh.deployment_problem("houses")) == (third, [1, 3], "")
    [sentence] = fresh.damaged_entries("houses")
    assert sentence.startswith(f"Expected entry 2 of the deployment log of 'houses' in {path}. Received: ")
    assert sentence.endswith(
        "A later entry says what is live: put a copy of the file back, and do not remove it: a number that is missing "
        "stops the log."
    )
    with pytest.raises(ArtifactError, match=rf"what was live before houses:{third}\. .* Expected entry 2 "):
        fresh.rollback("houses")
    assert champion(fresh) == third
    # Promotions go on, and what came after the damaged entry is certain.
    fourth = add(registry)
    fresh.promote(f"houses:{fourth}")
    assert fresh.rollback("houses").version == third
    assert reserved(fresh, "houses") == {third: "champion"}
    with pytest.raises(ArtifactError, match="Expected entry 2 "):
        fresh.rollback("houses")
    # A rollback to a version from before the damage takes off what came in between.
    fresh.promote(f"houses:{fourth}")
    last = fresh.history("houses")[-1]
    change = Change(action="rollback", champion=first, who=last.who, when=last.when)
    fresh.deploy("houses", change, after=last.number)
    with pytest.raises(ArtifactError, match=f"what was live before houses:{first}"):
        fresh.rollback("houses")


def test_no_way_back_is_told_before_the_log_is_touched(registry):
    add(registry)
    with pytest.raises(DataError, match=r"Expected a former champion .* Received: none\. Promote another version"):
        registry.rollback("houses")
    assert not log_folder(registry).exists()
