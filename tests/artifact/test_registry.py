import errno
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from artifact.errors import ArtifactError, DataError, NotFoundError
from artifact.manifest import MANIFEST
from artifact.predictor import Predictor
from artifact.registry.base import CHALLENGER, check_name
from artifact.registry.local import LocalRegistry
from tests.artifact.versions import add, champion, promoted, run_python
from tests.builders import build_manifest, build_schema, build_version, sample_rows

ROOT = Path(__file__).parents[2]


# Create


def test_a_version_appears_whole_at_the_end_of_the_block(registry):
    with registry.create("houses") as (version, folder):
        build_manifest(build_schema(), "houses", version).write(folder)
        (folder / "report").mkdir()
        (folder / "report" / "report.html").write_text("<html>", encoding="utf-8")
        assert registry.versions("houses") == registry.names() == []
    assert registry.versions("houses") == [version]
    assert registry.names() == ["houses"]
    path = registry.resolve("houses").path
    registry.manifest("houses", version).check_files(path)
    assert (path / "report" / "report.html").read_text(encoding="utf-8") == "<html>"
    assert not list((registry.home / "trueline" / "staging").iterdir())


def test_versions_created_at_once_are_ordered_by_age(registry):
    versions = [add(registry) for _ in range(20)]
    assert registry.versions("houses") == versions
    assert registry.resolve("houses").version == versions[-1]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_nothing(registry, error):
    with pytest.raises(error), registry.create("houses") as (version, folder):
        build_manifest(build_schema(), "houses", version).write(folder)
        raise error
    assert registry.names() == []
    assert not [p for p in registry.home.rglob("*") if p.is_file()]


@pytest.mark.parametrize("name", ["other", "houses"])
def test_a_folder_without_its_own_manifest_does_not_become_a_version(registry, name):
    with pytest.raises(ArtifactError, match="Expected a Trueline artifact"), registry.create("houses"):
        pass
    with pytest.raises(ArtifactError, match="Expected the manifest of houses:"), registry.create("houses") as made:
        build_manifest(build_schema(), name, "v1").write(made[1])
    assert registry.versions("houses") == []


def test_a_full_disk_at_any_moment_leaves_the_store_as_it_was(registry, monkeypatch):
    (first,) = promoted(registry, 1)
    writes_left = 0

    def failing(function):
        def call(*args, **kwargs):
            nonlocal writes_left
            writes_left -= 1
            if writes_left < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return function(*args, **kwargs)

        return call

    for owner, name in ((Path, "write_text"), (Path, "mkdir"), (Path, "rename"), (Path, "replace"), (os, "fsync")):
        monkeypatch.setattr(owner, name, failing(getattr(owner, name)))
    for moment in range(100):
        writes_left = moment
        try:
            version = add(registry)
        except OSError as error:
            assert error.errno == errno.ENOSPC
            assert registry.versions("houses") == [first]
            assert not list((registry.home / "trueline" / "staging").iterdir())
            assert champion(registry) == first
        else:
            assert registry.versions("houses") == [first, version]
            assert moment > 8
            return
    pytest.fail("never enough space")


def test_a_killed_writer_leaves_no_version(registry):
    script = """
import sys, pathlib, time
from artifact.registry.local import LocalRegistry
from tests.builders import build_manifest, build_schema
with LocalRegistry(pathlib.Path(sys.argv[1])).create("houses") as (version, folder):
    build_manifest(build_schema(), "houses", version).write(folder)
    print("written", flush=True)
    time.sleep(60)
"""
    with run_python(script, registry.home, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "written\n"
        writer.kill()
    assert registry.names() == []
    version = add(registry)
    assert registry.resolve("houses").version == version


# Names


@pytest.mark.parametrize("name", ["houses", "a", "0", "a.b-c_d", "x" * 63])
def test_names_that_the_store_can_hold(name):
    check_name(name)


@pytest.mark.parametrize(
    "name", ["", "Houses", "../x", "a/b", "a:b", "a b", "-a", "a-", ".", "..", "a\n", "é", "x" * 64, "a\0"]
)
def test_other_names_are_refused_before_anything_is_written(registry, name):
    with pytest.raises(DataError, match="Expected a model name"), registry.create(name):
        pass
    assert registry.versions(name) == []
    assert not registry.home.exists()


@pytest.mark.parametrize(
    "reference", ["../x", "../models/houses", "houses:../../x", "houses:..", "houses:.", "a:b:c", ""]
)
def test_a_reference_never_leaves_the_store(registry, reference):
    add(registry)
    outside = registry.home.parent / "x"
    shutil.copytree(registry.resolve("houses").path, outside)
    with pytest.raises(NotFoundError):
        registry.resolve(reference)
    with pytest.raises(NotFoundError):
        registry.promote(reference)
    with pytest.raises(NotFoundError):
        registry.rollback(reference)
    assert not (registry.home / "trueline" / "deployments").exists()


def test_the_home_is_bentoml_s(tmp_path):
    assert LocalRegistry.from_environment({"BENTOML_HOME": str(tmp_path)}).home == tmp_path
    assert LocalRegistry.from_environment({"BENTOML_HOME": "~/x"}).home == Path.home() / "x"
    assert LocalRegistry.from_environment({}).home == Path.home() / "bentoml"


# Resolve


def test_a_name_means_its_champion_then_its_newest(registry):
    first, second = add(registry), add(registry)
    assert registry.resolve("houses").version == second
    registry.promote(f"houses:{first}")
    assert registry.resolve("houses") == registry.resolve("houses:champion") == registry.resolve(f"houses:{first}")
    registry.promote(f"houses:{second}", alias=CHALLENGER)
    assert registry.resolve("houses:challenger").version == second
    assert champion(registry) == first


def test_unknown_names_list_what_there_is_nearest_first(registry):
    with pytest.raises(NotFoundError, match=r"Unknown model 'house'\. There are none yet\."):
        registry.resolve("house")
    version = add(registry)
    add(registry, "diabetes")
    with pytest.raises(NotFoundError, match=r"Unknown model 'house'\. There are: 'houses', 'diabetes'\."):
        registry.resolve("house")
    with pytest.raises(NotFoundError, match=rf"Unknown version 'v1' of 'houses'\. There are: '{version}'\."):
        registry.resolve("houses:v1")
    newer = add(registry)
    with pytest.raises(NotFoundError, match=rf"'zzz' of 'houses'\. There are: '{newer}', '{version}'\."):
        registry.resolve("houses:zzz")
    with pytest.raises(
        NotFoundError, match=rf"Model 'houses' has no challenger\. Its versions are: {version}, {newer}\."
    ):
        registry.resolve("houses:challenger")


def test_what_trueline_did_not_write_is_not_listed(registry):
    version = add(registry)
    (registry.models / "houses" / "foreign").mkdir()
    (registry.models / "bert" / "v1").mkdir(parents=True)
    (registry.models / "stray").touch()
    assert (registry.names(), registry.versions("houses")) == (["houses"], [version])


# BentoML's commands


@pytest.fixture
def bentoml():
    def run(home, *arguments):
        environ = os.environ | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true"}
        command = [sys.executable, "-m", "bentoml", "models", *map(str, arguments)]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout

    return run


def test_bentoml_lists_exports_and_imports_a_version(registry, tmp_path, bentoml):
    version = build_version(registry).version
    (listed,) = json.loads(bentoml(registry.home, "list", "-o", "json"))
    assert listed["tag"] == f"houses:{version}"

    archive_path = tmp_path / "houses.bentomodel"
    bentoml(registry.home, "export", "houses:latest", archive_path)
    with tarfile.open(archive_path) as archive:
        assert f"./{MANIFEST}" in archive.getnames() or MANIFEST in archive.getnames()
    other = LocalRegistry(tmp_path / "other")
    bentoml(other.home, "import", archive_path)
    assert other.versions("houses") == [version]

    rows = sample_rows(build_schema(), 20)
    answers = [Predictor.load(r.promote("houses").path).predict_rows(rows).value for r in (registry, other)]
    np.testing.assert_array_equal(*answers)


def test_bentoml_deletes_a_version(registry, bentoml):
    first, second = promoted(registry, 2)
    bentoml(registry.home, "delete", f"houses:{second}", "--yes")
    assert registry.versions("houses") == [first]
    assert registry.rollback("houses").version == first


def test_what_is_being_written_can_be_abandoned(registry):
    with pytest.raises(SystemExit), registry.create("houses") as (_, folder):
        (folder / "half").write_text("x")
        registry.abandon()
        assert not folder.exists()
        raise SystemExit
    registry.abandon()
    assert not list(registry.staging.iterdir())
