import errno
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from artifact.errors import ArtifactError, DataError, NotFoundError, RefusedError
from artifact.registry.base import CHALLENGER
from artifact.registry.entry import GateResult, Statement
from artifact.registry.local import LocalRegistry
from artifact.registry.log import TakenError
from tests.artifact.versions import add, champion, promoted, run_python

ROOT = Path(__file__).parents[2]


def log_folder(registry) -> Path:
    return registry.home / "trueline" / "deployments" / "houses"


def numbers(registry) -> list[int]:
    return [entry.number for entry in registry.history("houses")]


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
    assert sorted(p.name for p in log_folder(registry).iterdir()) == [".lock", "00000001.json", "00000002.json"]


def test_an_alias_is_champion_or_challenger(registry):
    add(registry)
    with pytest.raises(NotFoundError, match=r"Unknown alias '../../x'\. There are: 'ch"):
        registry.promote("houses", alias="../../x")


def test_a_damaged_entry_leaves_what_was_live_before_it(registry):
    first, second = promoted(registry, 2)
    path = log_folder(registry) / "00000002.json"
    entry = path.read_text(encoding="utf-8")
    for damage in ('{"number"', "", "[]", '{"number": 5}', "\0" * 90):
        path.write_text(damage, encoding="utf-8")
        reader = LocalRegistry(registry.home)
        assert reader.resolve("houses").version == first
        problem = reader.deployment_problem("houses")
        assert problem.startswith(f"Expected entry 2 of the deployment log of 'houses' in {path}. Received: ")
        assert problem.endswith("do not count: put a copy of the file back, or remove them.")
        assert "\n" not in problem
        assert "pydantic" not in problem
        with pytest.raises(ArtifactError, match="Expected entry 2"):
            reader.promote(f"houses:{second}")
    # What the message says to do, does.
    path.write_text(entry, encoding="utf-8")
    assert champion(LocalRegistry(registry.home)) == second
    path.unlink()
    assert champion(LocalRegistry(registry.home)) == first


def test_a_log_of_one_damaged_entry_is_an_artifact_error(registry):
    promoted(registry, 1)
    path = log_folder(registry) / "00000001.json"
    path.write_text("{", encoding="utf-8")
    for call in ("resolve", "promote", "rollback"):
        with pytest.raises(ArtifactError, match=re.escape(str(path))):
            getattr(LocalRegistry(registry.home), call)("houses")
    path.unlink()
    LocalRegistry(registry.home).promote("houses")
    assert numbers(registry) == [1]


def test_a_model_that_does_not_beat_the_mean_is_promoted_only_by_force(registry):
    good, bad = promoted(registry, 1)[0], add(registry, beats_mean=False)
    with pytest.raises(
        RefusedError, match=rf"houses:{bad}, refused by the gate verdict\.\n.*\n.* --force verdict --why TEXT"
    ):
        registry.promote(f"houses:{bad}")
    assert champion(registry) == good
    overruled = Statement(forced=("verdict", "size"))
    assert registry.promote(f"houses:{bad}", statement=overruled).version == champion(registry) == bad
    # The entry names what was overruled, and not what passed.
    assert registry.history("houses")[-1].forced == ("verdict",)


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
    before = registry.alias("houses")
    registry.promote("houses:champion")
    assert numbers(registry) == [1, 2]
    assert registry.alias("houses") == before


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
    # Both champions are deleted; the version that is left can be promoted.
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


def test_the_listed_former_champions_are_bounded_and_the_history_is_not(registry):
    versions = promoted(registry, 60)
    assert registry.alias("houses").previous == tuple(versions[9:59])
    assert [entry.champion for entry in registry.history("houses")] == versions


def test_what_a_writer_says_stands_in_the_log(registry):
    first, second = add(registry), add(registry)
    gate = GateResult(gate="size", passed=False, figure=3.0, limit=2.0, sentence="3 MB, and 2 are allowed.")
    statement = Statement("to try it", "trueline promote", (gate,), ("size",))
    registry.promote(f"houses:{first}", statement=statement)
    registry.promote(f"houses:{second}", alias=CHALLENGER)
    registry.promote(f"houses:{second}")
    registry.rollback("houses", statement=Statement("it was worse"))
    entries = LocalRegistry(registry.home).history("houses")
    assert [entry.action for entry in entries] == ["promote", "challenge", "promote", "rollback"]
    assert [(entry.champion, entry.challenger) for entry in entries] == [
        (first, None),
        (first, second),
        (second, second),
        (first, second),
    ]
    assert (entries[0].why, entries[0].source, entries[0].gates, entries[0].forced) == statement
    assert entries[3].why == "it was worse"
    assert all("@" in entry.who and entry.when.endswith("+00:00") for entry in entries)


def test_who_looked_at_an_older_entry_is_told(registry):
    first, second = promoted(registry, 2)
    with pytest.raises(TakenError, match=rf"Expected entry 2 .* Received: promote of houses:{second} by "):
        registry.promote(f"houses:{first}", after=1)
    assert champion(registry) == second


# Alias files of an earlier Trueline


def write_alias(registry, alias, **content) -> Path:
    path = registry.home / "trueline" / "aliases" / "houses" / f"{alias}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("reference", ["houses:", ":"])
def test_a_reference_without_its_version_names_none(registry, reference):
    add(registry)
    for ask in (registry.resolve, registry.promote):
        with pytest.raises(DataError, match=rf"Received: '{reference}', which names no version\."):
            ask(reference)
    assert registry.history("houses") == []


def test_alias_files_say_what_is_live_until_somebody_writes(registry):
    first, second, third = (add(registry) for _ in range(3))
    write_alias(registry, "champion", version=second, previous=[first], changed_at="2026-01-31T12:00:00.000+00:00")
    write_alias(registry, "challenger", version=third, previous=[], changed_at="2026-01-30T12:00:00.000+00:00")
    assert champion(registry) == registry.resolve("houses:champion").version == second
    assert registry.resolve("houses:challenger").version == third
    assert registry.champions() == ["houses"]
    assert registry.alias("houses").previous == (first,)
    (entry,) = registry.history("houses")
    assert (entry.action, entry.when) == ("carry-over", "2026-01-31T12:00:00.000+00:00")
    assert not log_folder(registry).exists()
    assert registry.rollback("houses").version == first
    assert [(entry.number, entry.action) for entry in registry.history("houses")] == [
        (1, "carry-over"),
        (2, "rollback"),
    ]
    # They have been carried over: what they say now says nothing.
    write_alias(registry, "champion", version=third, previous=[], changed_at="2026-02-01T12:00:00.000+00:00")
    assert champion(LocalRegistry(registry.home)) == first
    (registry.home / "trueline" / "aliases" / "houses" / "champion.json").write_text("{", encoding="utf-8")
    assert [entry.number for entry in LocalRegistry(registry.home).history("houses")] == [1, 2]


def test_a_watcher_sees_an_alias_file_change(registry):
    first, second = add(registry), add(registry)
    write_alias(registry, "champion", version=first, previous=[], changed_at="2026-01-31T12:00:00.000+00:00")
    before = registry.revision("houses"), registry.revision()
    assert before == (registry.revision("houses"), registry.revision())
    write_alias(registry, "champion", version=second, previous=[first], changed_at="2026-01-31T12:00:01.000+00:00")
    assert registry.revision("houses") != before[0]
    assert registry.revision() != before[1]
    assert champion(registry) == second


@pytest.mark.parametrize("damage", [{"version": 5}, {"version": "../x"}, {"version": "v1", "previous": ["a/b"]}])
def test_a_damaged_alias_file_is_an_artifact_error(registry, damage):
    version = add(registry)
    path = write_alias(registry, "champion", changed_at="2026-01-31T12:00:00.000+00:00", **damage)
    for call in (registry.resolve, registry.promote, registry.rollback):
        with pytest.raises(ArtifactError) as caught:
            call("houses")
        message = str(caught.value)
        assert message.startswith(f"Expected an alias in {path}. Received: ")
        assert message.endswith(". Remove that file, then promote a version: `trueline promote houses:VERSION`.")
    path.unlink()
    assert registry.promote("houses").version == version


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
    assert sorted(entry.champion for entry in registry.history("houses")) == versions
    assert numbers(registry) == list(range(1, 41))
