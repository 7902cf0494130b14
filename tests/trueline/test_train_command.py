"""``trueline train`` and ``evaluate`` in a process of their own, as a user runs them; one disk that is really full."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from artifact.errors import DataError
from artifact.registry.local import LocalRegistry
from tests.training.conftest import mixed_table
from training.families import models
from training.objectives import KINDS
from training.settings.config import Preset
from trueline.main import cli, run
from trueline.trainer import default_name

# Bytes: more than the probe before training, less than the largest file of a version.
SMALL_STORE = 270_000
QUICK = ("--preset", "fast", "--cv", "2", "--set", "repeats=1", "--set", "epochs=2", "--set", "hidden=[8]")
FORCED = ("--force", "verdict", "--why", "a quick one")


def trueline(home: Path, *arguments: str, file_limit: int | None = None) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        if file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    # TensorFlow sets variables in the process of the tests; a user's shell has none of them.
    own = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "TF2_"))}
    environment = {**own, "BENTOML_HOME": str(home), "COLUMNS": "200"}
    command = [sys.executable, "-m", "trueline", *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=240, preexec_fn=limit
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "My houses 2024.csv"
    mixed_table().write_csv(path)
    return path


def test_help_names_every_preset_family_and_objective():
    parameters = {option.name: option.help for option in cli.get_command(None, "train").params if option.name != "data"}
    for option, names in (("preset", get_args(Preset)), ("model", models()), ("objective", KINDS)):
        words = re.findall(r"[a-z-]+", parameters[option])
        assert set(names) <= set(words), option


def test_train_promote_evaluate_predict(data, tmp_path):
    process = trueline(tmp_path, "train", str(data), "--target", "price", "--promote", *FORCED, "--json", *QUICK)
    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout.splitlines()[-1])
    assert set(result) == {"model_name", "model_version", "metrics", "verdict", "next", "seconds", "rows"}
    assert (result["model_name"], result["rows"]) == ("my-houses-2024", 240)
    assert LocalRegistry(tmp_path).resolve("my-houses-2024:champion").version == result["model_version"]
    # The output is the schema, the comparison and the verdict, without a library's remarks.
    assert "postcode" in process.stderr
    assert "hist_gradient_boosting" in process.stdout
    assert "Is a network worth it here?" in process.stdout
    assert "It passes its gates: files, size, " in process.stdout
    for word in ("WARNING", "I0000", "E0000", "oneDNN", "Traceback"):
        assert word not in process.stderr
    evaluated = trueline(tmp_path, "evaluate", "my-houses-2024", str(data), "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    assert json.loads(evaluated.stdout)["rows"] == 240
    assert json.loads(evaluated.stdout)["metrics"]["price"]["rmse"] > 0
    evaluated = trueline(tmp_path, "evaluate", "my-houses-2024", str(data))
    assert "explained_variance" in evaluated.stdout


def test_a_refused_promotion_still_says_what_was_stored(tmp_path):
    noise = tmp_path / "noise.csv"
    pl.DataFrame(np.random.default_rng(0).normal(size=(120, 2)), schema=["x", "y"]).write_csv(noise)
    process = trueline(tmp_path, "train", str(noise), "--target", "y", "--promote", "--json", *QUICK)
    assert process.returncode == 1
    version = json.loads(process.stdout.splitlines()[-1])["model_version"]
    assert f"Stored noise:{version}" in process.stdout
    assert "refused by the gate verdict" in process.stderr
    assert LocalRegistry(tmp_path).alias("noise") is None
    # So does a promotion that the log stops, and the hook hears of it.
    entry, heard = tmp_path / "trueline" / "deployments" / "noise" / "00000001.json", tmp_path / "heard"
    entry.parent.mkdir(parents=True)
    entry.write_text("{")
    hook = ("--on-event", f"cat >> {heard}; echo >> {heard}")
    process = trueline(tmp_path, "train", str(noise), "--target", "y", "--promote", *FORCED, *hook, *QUICK)
    assert process.returncode == 1
    assert f"Stored noise:{LocalRegistry(tmp_path).versions('noise')[-1]}. Make it serve:" in process.stdout
    assert "Report: " in process.stdout
    assert "Error: Expected entry 1 of the deployment log of 'noise'" in process.stderr
    assert [json.loads(line)["event"] for line in heard.read_text().splitlines()] == ["train", "refusal"]


def test_a_full_disk_is_one_sentence_and_leaves_the_champion(data, tmp_path):
    first = trueline(tmp_path, "train", str(data), "--target", "price", "--name", "h", "--promote", *FORCED, *QUICK)
    assert first.returncode == 0, first.stderr
    before = LocalRegistry(tmp_path).resolve("h:champion")
    # The first fault is found before training; with the second, the model's files do not fit, as on a filling disk.
    for limit, is_trained in ((20_000, False), (SMALL_STORE, True)):
        process = trueline(tmp_path, "train", str(data), "--target", "price", "--name", "h", *QUICK, file_limit=limit)
        assert process.returncode == 1
        assert "Nothing was stored" in process.stderr
        assert "Traceback" not in process.stderr
        assert ("postcode" in process.stderr) == is_trained
        assert LocalRegistry(tmp_path).versions("h") == [before.version]
        assert LocalRegistry(tmp_path).resolve("h:champion") == before
        assert not list(tmp_path.glob("trueline/staging/*"))


@pytest.mark.parametrize("inside", ["", "store", "store/of/mine"])
def test_case_onetrainer_168_a_store_that_is_a_file_is_told_before_the_table_is_read(data, tmp_path, inside):
    (tmp_path / "file").write_text("")
    process = trueline(tmp_path / "file" / inside, "train", str(data), "--target", "price", *QUICK)
    assert process.returncode == 1
    (message,) = process.stderr.strip().splitlines()
    assert message.startswith("Error: Expected a model store that can be written, in BENTOML_HOME=")
    assert "postcode" not in process.stderr


def test_a_version_from_an_earlier_one(data, tmp_path):
    earlier = trueline(tmp_path, "train", str(data), "--target", "price", "--name", "h", "--json", *QUICK)
    assert earlier.returncode == 0, earlier.stderr
    version = json.loads(earlier.stdout.splitlines()[-1])["model_version"]
    new = tmp_path / "new.csv"
    mixed_table(120, seed=3).with_columns(floor=pl.int_range(120) % 5).write_csv(new)
    options = ("--target", "price", "--name", "h", "--cv", "2", "--set", "repeats=1", "--set", "epochs=2")
    process = trueline(tmp_path, "train", str(new), "--init", "h", *options, "--json")
    assert process.returncode == 0, process.stderr
    assert f"Note: Started from h:{version}: " in process.stderr
    assert "weights agree; new or changed features: 'floor'." in process.stderr
    assert f"The figures hold for rows that h:{version} has not seen" in process.stderr
    new_version = json.loads(process.stdout.splitlines()[-1])["model_version"]
    init = LocalRegistry(tmp_path).manifest("h", new_version).lineage.init
    assert (init.model_version, init.features_anew) == (version, ("floor",))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("houses.csv", "houses"),
        ("a/b/My Houses_2024.csv.gz", "my-houses_2024"),
        ("dataset:diabetes", "diabetes"),
        ("data/*.parquet", "model"),
        ("???.csv", "model"),
    ],
)
def test_a_models_default_name_is_its_files(data, name):
    assert default_name(data) == name


@pytest.mark.parametrize(("flags", "stream"), [(["--stream"], True), (["--no-stream"], False), ([], None)])
def test_a_table_is_streamed_as_asked(flags, stream, data, tmp_path, monkeypatch):
    requested = []

    def stop(request, *_args):
        requested.append(request.stream)
        raise DataError("Enough.")

    monkeypatch.setattr("training.train.train", stop)
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    CliRunner().invoke(cli, ["train", str(data), "--target", "price", *flags])
    assert requested == [stream]


def test_the_note_and_what_was_typed_go_with_the_version(data, tmp_path, monkeypatch, capsys):
    requests = []

    def stop(request, *_args):
        requests.append(request)
        raise DataError("Enough.")

    monkeypatch.setattr("training.train.train", stop)
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    typed = [str(data), "--target", "price", "--preset", "fast", "--set", "epochs=2", "--set", "hidden=[8]"]
    run(["train", *typed, "--no-stream", "--note", "  two\nlines [/] ", "--promote", "--json"])
    assert requests[0].note == "two lines [/]"
    assert requests[0].command == (*typed, "--no-stream")
    code = run(["train", *typed, "--note", "x" * 501])
    assert code == 2
    assert "Expected a --note of up to 500 characters. Received: 501." in capsys.readouterr().err
