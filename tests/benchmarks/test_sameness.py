"""The comparison of two checkouts sees one bit of a weight and one byte of an answer, and nothing that may differ."""

import io
import json
import shutil
import subprocess
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import h5py
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.checkouts import commit_of
from benchmarks.sameness import __main__ as command
from benchmarks.sameness.calls import Call, calls_of_one_target, calls_of_two_targets
from benchmarks.sameness.facts import KINDS, additions, differences, kind
from benchmarks.sameness.report import compared, report
from benchmarks.sameness.served import ask
from benchmarks.sameness.stored import read_version

WEIGHT = np.array([[0.5, -1.25], [3.0, 1e-30]], dtype=np.float32)
MANIFEST = {
    "model_version": "20260101-000000-000001",
    "created_at": "2026-01-01",
    "metrics": {"price": {"rmse": 0.25}},
    "verdict": {"worth_it": "yes"},
    "notes": ["A note."],
    "lineage": {"seconds": 1.5, "rows": 30},
    "files": {"model.keras": "of the day"},
}


def bit_flipped(values):
    flipped = values.copy()
    flipped.view(np.uint32)[0, 0] ^= 1
    return flipped


def write_version(
    folder, *, keras=WEIGHT, initialiser=WEIGHT, module="artifact.layers", units=2, calibration="{}", **fields
):
    (folder / "report").mkdir(parents=True)
    config = {"module": module, "class_name": "Dense", "config": {"units": units}}
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file["layers/dense/vars/0"] = keras
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", str(folder))
        archive.writestr("model.weights.h5", weights.getvalue())
    value = helper.make_tensor_value_info("value", TensorProto.FLOAT, [2, 2])
    node = helper.make_node("Identity", ["weight"], ["value"])
    graph = helper.make_graph([node], "graph", [], [value], [numpy_helper.from_array(initialiser, "weight")])
    onnx.save(helper.make_model(graph), folder / "model.onnx")
    (folder / "calibration.json").write_text(calibration)
    manifest = {**MANIFEST, **fields}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    del manifest["files"]
    (folder / "report" / "report.json").write_text(json.dumps(manifest))
    return read_version(folder)


@pytest.fixture
def old(tmp_path):
    return write_version(tmp_path / "old")


def test_a_version_is_the_same_but_for_its_name_day_commit_and_modules(old, tmp_path):
    lineage = {"seconds": 99.0, "rows": 30, "git_commit": "abc"}
    new = write_version(
        tmp_path / "new",
        module="artifact.network.layers",
        model_version="20261130-101010-123456",
        created_at="2026-11-30",
        lineage=lineage,
        files={"model.keras": "of another day"},
    )
    assert differences(old, new) == []
    assert additions(old, new) == []


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"keras": bit_flipped(WEIGHT)}, {"weights/keras layers/dense/vars/0"}),
        ({"initialiser": bit_flipped(WEIGHT)}, {"weights/model weight"}),
        ({"units": 3}, {"network/keras"}),
        ({"calibration": "{} "}, {"files/calibration.json"}),
        ({"metrics": {"price": {"rmse": np.nextafter(0.25, 1)}}}, {"metrics/price.rmse", "report/metrics.price.rmse"}),
        ({"notes": []}, {"notes", "report/notes"}),
        ({"verdict": {"worth_it": "no"}}, {"verdict/worth_it", "report/verdict.worth_it"}),
    ],
)
def test_one_bit_is_a_difference(old, tmp_path, change, names):
    new = write_version(tmp_path / "new", **change)
    lines = differences(old, new)
    assert {line.split(":")[0] for line in lines} == names
    assert {kind(line) for line in lines} <= set(KINDS)
    assert differences(old, new, ignored={kind(name) for name in names}) == []


def test_a_new_field_is_named_and_no_difference(old, tmp_path):
    new = write_version(tmp_path / "new", retries=[{"epoch": 1}])
    assert differences(old, new) == []
    assert additions(old, new) == ["manifest/retries", "report/retries"]
    assert len(differences(new, old)) == 2


def test_a_recipe_is_read_field_by_field_without_the_run_s_own_folders(old, tmp_path):
    versions = []
    for run in ("one", "two"):
        folder = tmp_path / run
        write_version(folder)
        (folder / "recipe.json").write_text(json.dumps({"data": f"{folder}/houses.csv", "settings": {"epochs": 3}}))
        versions.append(read_version(folder, str(folder)))
    assert differences(*versions) == []
    assert additions(old, versions[0]) == ["recipe/data", "recipe/settings.epochs"]


def test_a_weight_too_many_is_a_difference(old):
    assert differences(old, {**old, "weights/keras more": "x"}) == ["weights/keras more: only the new one has it, 'x'"]


class Answerer(BaseHTTPRequestHandler):
    """Answers with the server's ``answer``: status, header and body; closes the connection if that is None."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.answer is None:
            return
        status, header, body = self.server.answer
        self.send_response(status)
        self.send_header("X-Header", header)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp=None):
        self.server.answers += 1
        return f"answer {self.server.answers}"

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with HTTPServer(("127.0.0.1", 0), Answerer) as server:
        server.answers = 0
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_one_byte_of_an_answer_is_a_difference(server):
    calls = {"rows": Call("/predict", b"{}")}

    def answer(*parts):
        server.answer = parts if parts else None
        return ask(server.server_port, calls)["rows"]

    old = answer(200, "a", b"0.1\xff")
    assert compared("rows", old, answer(200, "a", b"0.1\xff")).differences == []
    for kinds, parts in ((["body"], (200, "a", b"0.1\xfe")), (["headers"], (200, "b", b"0.1\xff"))):
        assert [kind(line) for line in compared("rows", old, answer(*parts)).differences] == kinds
    assert kind(compared("rows", old, answer(201, "a", b"0.1\xff")).differences[0]) == "status"


def test_a_run_that_fails_in_both_is_a_difference(server):
    server.answer = None
    failed = ask(server.server_port, {"rows": Call("/predict", b"{}")})["rows"]
    assert len(compared("rows", failed, failed).differences) == 2


def test_report_counts_what_differs_by_kind():
    weights = {f"weights/{i}": "0" for i in range(5)}
    rows = [compared("a", weights, weights), compared("b", weights, dict.fromkeys(weights, "1"))]
    lines = report(rows)
    assert lines[2:4] == ["| a | 5 | yes |  |", "| b | 5 | no | weights (5) |"]
    assert "  and 2 more: see --all" in lines
    assert lines[-1] == "1 of 2 runs differ."
    assert report(rows[:1])[-1] == "All 1 runs are the same."
    assert "  weights/4: '0' became '1'" in report(rows, all_lines=True)


def test_there_are_twelve_trainings_and_thirty_calls_with_names_of_their_own():
    calls = [*calls_of_one_target("m"), *calls_of_two_targets("m")]
    assert len(set(calls)) == len(calls) >= 30
    assert len(command.TRAININGS) >= 12
    assert not set(calls) & {*command.TRAININGS, *command.READ, *command.GROUPS}
    assert {*command.SERVED, *command.READ.values()} <= set(command.TRAININGS)


# Takes the place of a checkout: its command line writes a store without training, with one row's answer.
FAKE = """
import json, os, sys
from pathlib import Path
import polars as pl
command, words = sys.argv[1], sys.argv[2:]
folder = Path(os.environ["BENTOML_HOME"]) / "models" / "houses" / "20260101-000000-000001"
if command == "train":
    (folder / "report").mkdir(parents=True)
    for path in (folder / "manifest.json", folder / "report" / "report.json"):
        path.write_text(json.dumps({"metrics": {"price": {"rmse": 1.0}}, "lineage": {"data": words[0]}}))
elif command == "predict":
    pl.DataFrame({"value": [VALUE]}).write_parquet(words[-1])
else:
    print("{}")
"""


@pytest.fixture
def checkouts(tmp_path, monkeypatch):
    def build(value, name):
        folder = tmp_path / name
        (folder / "trueline").mkdir(parents=True)
        for name in ("pyproject.toml", "trueline/__init__.py"):
            (folder / name).touch()
        (folder / "trueline" / "__main__.py").write_text(FAKE.replace("VALUE", repr(value)))
        return folder

    def compare(old, new, words=(), only="ridge-groups"):
        monkeypatch.setattr(command, "ROOT", build(new, "new"))
        return command.main(["--old", str(build(old, "old")), "--only", only, *words])

    return compare


def test_the_command_runs_each_checkout_and_ends_with_0_where_all_is_the_same(checkouts, capsys):
    assert checkouts(0.1, 0.1) == 0
    assert capsys.readouterr().out.rstrip().endswith("All 1 runs are the same.")


def test_the_command_ends_with_1_where_the_last_bit_of_an_answer_differs(checkouts, capsys):
    assert checkouts(0.1, float(np.nextafter(0.1, 1))) == 1
    assert "| ridge-groups | 11 | no | answers (1) |" in capsys.readouterr().out


def test_the_command_ends_with_1_where_both_checkouts_fail(checkouts, capsys):
    assert checkouts(1 / 3, float("nan")) == 1
    assert "predict: exit 1: NameError" in capsys.readouterr().out


def test_the_command_sees_another_answer_to_a_version_that_the_old_checkout_trained(checkouts, capsys):
    assert checkouts(0.1, 0.2, only="read-mlp") == 1
    assert "| read-mlp | 5 | no | answers (1) |" in capsys.readouterr().out


def test_kept_trainings_of_the_old_checkout_are_taken_again(checkouts, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "commit_of", lambda root: "a-commit")
    keep = ["--keep", str(tmp_path / "keep")]
    assert checkouts(0.1, 0.1, keep) == 0
    # The old checkout would answer differently now; its stored answers are used.
    shutil.rmtree(tmp_path / "old")
    shutil.rmtree(tmp_path / "new")
    assert checkouts(0.2, 0.1, keep) == 0
    shutil.rmtree(tmp_path / "old")
    shutil.rmtree(tmp_path / "new")
    monkeypatch.setattr(command, "commit_of", lambda root: "another-commit")
    assert checkouts(0.2, 0.1, keep) == 1


def test_only_a_checkout_without_changes_has_a_commit(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    assert commit_of(tmp_path) == ""
    (tmp_path / "file").touch()
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "A file"]):
        subprocess.run([*git, *words], check=True)
    assert len(commit_of(tmp_path)) == 40
    (tmp_path / "file").write_text("changed")
    assert commit_of(tmp_path) == ""


def test_a_wrong_folder_or_name_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main(["--old", str(tmp_path)])
    assert "Expected a checkout of Trueline. Received:" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command.main(["--old", str(command.ROOT), "--only", "mpl"])
    assert "Expected --only to name a run. Received: 'mpl'." in capsys.readouterr().err
