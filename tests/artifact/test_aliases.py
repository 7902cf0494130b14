import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from artifact.errors import ArtifactError, DataError, NotFoundError, RefusedError
from artifact.registry import aliases as module
from tests.artifact.versions import add, champion, promoted, run_python

ROOT = Path(__file__).parents[2]


def alias_file(registry) -> Path:
    return registry.home / "trueline" / "aliases" / "houses" / "champion.json"


def test_a_full_disk_at_promotion_leaves_the_champion(registry, monkeypatch):
    first, second = promoted(registry, 1)[0], add(registry)

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(os, "fsync", full)
        registry.promote(f"houses:{second}")
    assert champion(registry) == first
    registry.promote(f"houses:{second}")
    assert champion(registry) == second
    folder = alias_file(registry).parent
    assert sorted(p.name for p in folder.iterdir()) == [".lock", "champion.json"]


def test_an_alias_is_champion_or_challenger(registry):
    add(registry)
    with pytest.raises(NotFoundError, match=r"Unknown alias '../../x'\. There are: 'ch"):
        registry.promote("houses", alias="../../x")


def test_a_damaged_alias_is_an_artifact_error(registry):
    promoted(registry, 1)
    path = alias_file(registry)
    for damage in ('{"version"', "", "[]", '{"version": 5, "changed_at": ""}', "\0" * 90):
        path.write_text(damage, encoding="utf-8")
        for call in (registry.resolve, registry.promote, registry.rollback):
            with pytest.raises(ArtifactError) as caught:
                call("houses")
            told = str(caught.value)
            assert told.startswith(f"Expected an alias in {path}. Received: ")
            assert told.endswith(". Remove that file, then promote a version: `trueline promote houses:VERSION`.")
            assert "\n" not in told
            assert "pydantic" not in told
    # What the message says to do, does.
    path.unlink()
    registry.promote("houses")
    assert registry.alias("houses").previous == ()


def test_a_model_that_does_not_beat_the_mean_is_promoted_only_by_force(registry):
    good, bad = promoted(registry, 1)[0], add(registry, beats_mean=False)
    with pytest.raises(RefusedError, match=f"houses:{bad}, which does not .* --force"):
        registry.promote(f"houses:{bad}")
    assert champion(registry) == good
    assert registry.promote(f"houses:{bad}", force=True).version == champion(registry) == bad


def test_rollbacks_go_back_one_by_one_and_then_refuse(registry):
    first, second, third = promoted(registry, 3)
    assert registry.rollback("houses").version == champion(registry) == second
    assert registry.rollback("houses").version == champion(registry) == first
    with pytest.raises(DataError, match="Expected a former champion of 'houses'"):
        registry.rollback("houses")
    assert champion(registry) == first
    registry.promote(f"houses:{third}")
    assert registry.rollback("houses").version == first


def test_promoting_the_champion_again_changes_nothing(registry):
    promoted(registry, 2)
    before = alias_file(registry).stat().st_ino, registry.alias("houses")
    registry.promote("houses:champion")
    assert (alias_file(registry).stat().st_ino, registry.alias("houses")) == before


def test_a_rollback_skips_deleted_versions_and_never_returns_to_itself(registry):
    first, second, third = promoted(registry, 3)
    shutil.rmtree(registry.models / "houses" / second)
    assert registry.rollback("houses").version == first
    registry.promote(f"houses:{third}")
    registry.promote(f"houses:{first}")
    shutil.rmtree(registry.models / "houses" / third)
    with pytest.raises(DataError) as caught:
        registry.rollback("houses")
    assert str(caught.value) == (
        f"Expected a former champion of 'houses' to return to. Received: houses:{third}, which is not in the store any "
        "more. Put it back, or train another one."
    )


def test_case_v25_a_rollback_that_has_nowhere_to_go_says_what_to_do(registry):
    first, second = promoted(registry, 2)
    other = add(registry)
    shutil.rmtree(registry.models / "houses" / first)
    with pytest.raises(DataError, match=rf"Received: houses:{first}, which .* `trueline promote houses:{other}`\."):
        registry.rollback("houses")
    shutil.rmtree(registry.models / "houses" / second)
    # Neither champion is left; what is there can be promoted.
    with pytest.raises(DataError, match=rf"Received: houses:{second}|Received: houses:{first}"):
        registry.rollback("houses")


def test_a_deleted_champion_is_named_and_can_be_rolled_back(registry):
    first, second = promoted(registry, 2)
    shutil.rmtree(registry.models / "houses" / second)
    with pytest.raises(NotFoundError, match=f"Unknown version '{second}' of 'houses'. There are: '{first}'"):
        registry.resolve("houses")
    assert registry.rollback("houses").version == first


def test_a_rollback_of_an_unknown_or_never_promoted_model_is_refused(registry):
    with pytest.raises(NotFoundError, match="Unknown model 'houses'"):
        registry.rollback("houses")
    add(registry)
    with pytest.raises(DataError, match="Expected a former champion"):
        registry.rollback("houses")


def test_history_is_bounded(registry, monkeypatch):
    monkeypatch.setattr(module, "_MAX_HISTORY", 3)
    versions = promoted(registry, 6)
    assert registry.alias("houses").previous == tuple(versions[2:5])


def test_processes_that_promote_at_once_lose_nothing(registry):
    versions = [add(registry) for _ in range(40)]
    script = """
import sys, pathlib
from artifact.registry.local import LocalRegistry
registry = LocalRegistry(pathlib.Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for version in sys.argv[2:]:
    registry.promote(f"houses:{version}")
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers = [run_python(script, registry.home, *versions[i::2], **pipes) for i in range(2)]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    while any(writer.poll() is None for writer in writers):
        assert champion(registry) in (None, *versions)
    for writer in writers:
        assert writer.communicate()[0] == ""
        assert writer.returncode == 0
    alias = registry.alias("houses")
    assert sorted((*alias.previous, alias.version)) == versions
