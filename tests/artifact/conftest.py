"""Fixtures of the artifact tests: a registry, and a whole version that tests may damage."""

import shutil

import pytest
from hypothesis import settings

from artifact.registry.local import LocalRegistry
from tests.builders import write_version

# The same examples on every machine, without a time limit, and no files beside the code.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")


@pytest.fixture
def registry(tmp_path):
    return LocalRegistry(tmp_path / "home")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("version")
    write_version(folder, "v1")
    return folder


@pytest.fixture
def folder(built, tmp_path):
    """A copy of a whole version, to be damaged."""
    return shutil.copytree(built, tmp_path / "v1")
