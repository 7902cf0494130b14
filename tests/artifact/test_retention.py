"""Which versions may leave the store, and which never do."""

import subprocess
import sys

import pytest

from artifact.errors import DataError, NotFoundError, RefusedError
from artifact.registry.base import CHALLENGER
from artifact.registry.retention import delete, left_by_rollback, reserved, surplus
from tests.artifact.versions import add, champion, promoted, run_python


def test_a_deleted_version_is_gone_whole_and_bentoml_s_pointer_stays_true(registry):
    first, second = add(registry), add(registry)
    deleted = delete(registry, f"houses:{second}")
    assert deleted.version == second
    assert not deleted.path.exists()
    assert registry.versions("houses") == [first]
    assert (registry.models / "houses" / "latest").read_text() == first
    delete(registry, f"houses:{first}")
    assert registry.names() == []
    assert not (registry.models / "houses").exists()
    assert not list(registry.staging.iterdir())


def test_what_serves_and_what_a_rollback_returns_to_stay(registry):
    first, former, live = promoted(registry, 3)
    challenger = add(registry)
    registry.promote(f"houses:{challenger}", alias=CHALLENGER)
    assert reserved(registry, "houses") == {former: "former champion", live: "champion", challenger: "challenger"}
    for reference, role in ((live, "champion"), (former, "former champion"), (challenger, "challenger")):
        with pytest.raises(RefusedError, match=f"Received: houses:{reference}, the {role}"):
            delete(registry, f"houses:{reference}")
    with pytest.raises(RefusedError, match="the champion"):
        delete(registry, "houses:champion")
    delete(registry, f"houses:{first}")
    assert registry.rollback("houses").version == former
    assert champion(registry) == former


def test_the_former_champion_is_the_one_that_rollback_finds_after_others_have_gone(registry):
    a, b, c = promoted(registry, 3)
    # The champions were a, b, c, a: a rollback returns to c, not to b.
    registry.promote(f"houses:{a}")
    assert reserved(registry, "houses") == {a: "champion", c: "former champion"}
    delete(registry, f"houses:{b}")
    assert reserved(registry, "houses") == {a: "champion", c: "former champion"}
    assert registry.rollback("houses").version == c


def test_prune_counts_the_newest_and_spares_what_must_stay(registry):
    old, former, live = promoted(registry, 3)
    newer = [add(registry) for _ in range(3)]
    assert surplus(registry, "houses", 2) == [old, newer[0]]
    assert surplus(registry, "houses", 6) == surplus(registry, "houses", 99) == []
    with pytest.raises(DataError, match="at least 1"):
        surplus(registry, "houses", 0)
    with pytest.raises(NotFoundError, match="Unknown model 'hauses'"):
        surplus(registry, "hauses", 1)
    for version in surplus(registry, "houses", 1):
        delete(registry, f"houses:{version}")
    assert registry.versions("houses") == [former, live, newer[-1]]


def test_prune_spares_what_a_rollback_left_until_ten_more_changes(registry):
    first, second, third = promoted(registry, 3)
    registry.rollback("houses")
    registry.rollback("houses")
    newest = add(registry)
    assert champion(registry) == first
    assert list(left_by_rollback(registry, "houses")) == [third, second]
    assert surplus(registry, "houses", 1) == []
    # What is live again was not left, and what stands in for it was only replaced.
    registry.promote(f"houses:{third}")
    registry.promote(f"houses:{newest}")
    assert list(left_by_rollback(registry, "houses")) == [second]
    # The rollback that left the second one is the fifth entry; the 14th still sees it, the 15th does not.
    for version in [first, newest] * 3 + [first]:
        registry.promote(f"houses:{version}")
    assert (len(registry.history("houses")), list(left_by_rollback(registry, "houses"))) == (14, [second])
    assert surplus(registry, "houses", 1) == [third]
    registry.promote(f"houses:{newest}")
    assert left_by_rollback(registry, "houses") == {}
    assert surplus(registry, "houses", 1) == [second, third]


def test_what_a_rollback_left_goes_when_it_is_named(registry):
    first, second = promoted(registry, 2)
    registry.rollback("houses")
    assert surplus(registry, "houses", 1) == []
    delete(registry, f"houses:{second}")
    assert registry.versions("houses") == [first]


@pytest.mark.parametrize(
    ("reference", "error", "sentence"),
    [
        ("houses", DataError, r"Expected NAME:VERSION\. Received: 'houses'\. The versions of 'houses' are: 20"),
        ("houses:1", NotFoundError, "Unknown version '1'"),
        ("hauses:1", NotFoundError, "Unknown model 'hauses'"),
        ("../houses:1", NotFoundError, "Unknown model"),
        ("houses:..", NotFoundError, "Unknown version '..'"),
    ],
)
def test_what_is_no_version_is_not_deleted(registry, reference, error, sentence):
    version = add(registry)
    with pytest.raises(error, match=sentence):
        delete(registry, reference)
    assert registry.versions("houses") == [version]
    assert not (registry.home / "trueline" / "aliases" / "hauses").exists()


def test_a_damaged_version_can_go(registry):
    version = add(registry)
    (registry.models / "houses" / version / "manifest.json").write_text("{")
    delete(registry, f"houses:{version}")
    assert registry.versions("houses") == []


def test_a_version_that_is_promoted_and_deleted_at_once_is_never_a_champion_that_is_gone(registry):
    script = """
import sys
from pathlib import Path
from artifact.errors import TruelineError
from artifact.registry.local import LocalRegistry
from artifact.registry.retention import delete
registry, deed = LocalRegistry(Path(sys.argv[1])), sys.argv[2]
for version in sys.argv[3:]:
    try:
        (registry.promote if deed == "promote" else lambda v: delete(registry, v))(f"houses:{version}")
    except TruelineError:
        pass
"""
    versions = [add(registry) for _ in range(40)]
    running = [
        run_python(script, registry.home, deed, *versions, stderr=subprocess.PIPE) for deed in ("promote", "delete")
    ]
    for process in running:
        _, output = process.communicate(timeout=60)
        assert (process.returncode, output) == (0, b"")
    versions = registry.versions("houses")
    current = registry.alias("houses")
    assert current is None or current.version in versions, sys.version
