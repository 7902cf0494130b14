import errno
import hashlib
import json
import os

import pytest

from artifact.errors import ArtifactError
from artifact.manifest import MANIFEST, STORE_RECORD, Manifest, file_sha256, hash_files
from tests.builders import build_manifest, build_schema


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"network")
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_text("<html>", encoding="utf-8")
    (tmp_path / STORE_RECORD).write_text("{}", encoding="utf-8")
    build_manifest(build_schema(), "houses", "v1").write(tmp_path)
    return tmp_path


def test_what_was_written_is_read(folder):
    manifest = Manifest.read(folder)
    assert manifest == build_manifest(build_schema(), "houses", "v1").model_copy(
        update={"files": manifest.files, "digest": manifest.digest, "created_at": manifest.created_at}
    )
    manifest.check_files(folder)


def test_every_file_but_the_two_records_is_hashed(folder):
    assert Manifest.read(folder).files == hash_files(folder)
    assert hash_files(folder) == {
        "model.onnx": hashlib.sha256(b"network").hexdigest(),
        "report/report.html": hashlib.sha256(b"<html>").hexdigest(),
    }


@pytest.mark.parametrize("size", [0, 1, (1 << 19) - 1, 1 << 19, (1 << 19) + 1, 3_000_000])
def test_a_file_of_any_size_is_hashed_in_pieces_with_rests(tmp_path, size):
    path, rests = tmp_path / "file", []
    content = os.urandom(size)
    path.write_bytes(content)
    assert file_sha256(path, lambda: rests.append(1)) == hashlib.sha256(content).hexdigest() == file_sha256(path)
    assert len(rests) == -(-size // (1 << 19))


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EACCES, errno.EIO])
def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(folder, code, monkeypatch):
    real = os.scandir

    def failing(path="."):
        if os.fspath(path) == str(folder / "report"):
            raise OSError(code, os.strerror(code), path)
        return real(path)

    monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(OSError, match=os.strerror(code)):
        hash_files(folder)
    with pytest.raises(OSError, match=os.strerror(code)):
        build_manifest(build_schema(), "houses", "v1").write(folder)


@pytest.mark.parametrize("name", ["model.onnx", "report/report.html"])
def test_a_changed_or_missing_file_is_named(folder, name):
    (folder / name).write_bytes(b"netw0rk")
    with pytest.raises(ArtifactError, match=f"Expected {name} with sha256"):
        Manifest.read(folder).check_files(folder)
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=f"Expected {name} in"):
        Manifest.read(folder).check_files(folder)


def test_no_flipped_byte_of_the_manifest_changes_what_is_read(folder):
    path = folder / MANIFEST
    whole, manifest = path.read_bytes(), Manifest.read(folder)
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            result = Manifest.read(folder)
        except ArtifactError:
            continue
        assert result == manifest, whole[at - 20 : at + 20]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "Expected a Trueline artifact"),
        (b"", "Expected JSON"),
        (b"\xff\xfe", "Expected JSON"),
        (b"[]", "Received: None"),
        (b"{}", "Received: None"),
        (b'{"format_version": 2}', "Expected artifact format 1. Received: 2"),
        (b'{"format_version": 1}', "as training wrote it"),
    ],
)
def test_what_is_no_manifest_is_refused_in_a_sentence(tmp_path, content, message):
    if content is not None:
        (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(ArtifactError, match=message):
        Manifest.read(tmp_path)


def test_a_manifest_with_a_field_missing_is_refused(folder):
    content = json.loads((folder / MANIFEST).read_bytes())
    del content["verdict"], content["digest"]
    content["digest"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ArtifactError, match="Expected a whole manifest"):
        Manifest.read(folder)
