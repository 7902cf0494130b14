"""The command line as its user sees it: output, files, exit codes, sentences."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from service.settings.settings import Settings
from tests.builders import build_schema, build_version
from trueline.commands.serve import setting_options
from trueline.main import COMMANDS, Commands, cli, run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRegistry:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return LocalRegistry(tmp_path)


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def last_json(out: str) -> dict[str, object]:
    return json.loads(out.strip().splitlines()[-1])


def table(path: Path, n: int = 20) -> Path:
    """Rows that fit ``tests.builders.HOUSE_FEATURES``, and a column that is no feature."""
    frame = pl.DataFrame(
        {
            "id": [f"r{i}" for i in range(n)],
            "age": [float(i) for i in range(n)],
            "income": [None if i % 4 == 0 else 1000.0 * i for i in range(n)],
            "rooms": [1 + i % 12 for i in range(n)],
            "garden": [i % 2 == 0 for i in range(n)],
            "town": ["Leeds" if i % 2 else "Nowhere" for i in range(n)],
            "heating": ["gas"] * n,
            "sold": ["2021-05-01T00:00:00Z"] * n,
        }
    )
    frame.write_csv(path)
    return path


def test_every_command_has_a_help_with_an_example(capsys):
    for name in COMMANDS:
        code, out, _ = call(capsys, name, "--help")
        assert code == 0
        assert f"Example:\n    trueline {name}" in out
    code, out, _ = call(capsys, "--help")
    assert all(name in out for name in COMMANDS)
    assert isinstance(cli, Commands)


def test_help_is_instant_for_it_imports_nothing_heavy():
    program = "import sys; from trueline.main import run; run(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = process.stderr
    assert not any(
        f"'{name}'" in loaded for name in ("keras", "tensorflow", "polars", "bentoml", "onnxruntime", "sklearn")
    )


def test_version_and_bare_call(capsys):
    assert "trueline" in call(capsys, "--version")[1]
    code, out, _ = call(capsys)
    assert code == 0
    assert "Commands:" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("trian",), "Unknown command 'trian'. There are: 'train'"),
        (("train",), "Missing argument 'DATA'"),
        (("train", "none.csv", "--target", "y"), "Expected a file. Received: none.csv"),
        (("train", "dataset:diabetes", "--target", "tarjet"), "Unknown column 'tarjet'. There are: 'target'"),
        (("train", "dataset:diabetes", "--target", "target", "--set", "droput=1"), "There are: 'dropout'"),
        (("train", "dataset:diabetes", "--target", "target", "--set", "dropout"), "KEY=VALUE"),
        (("train", "dataset:diabetes", "--target", "target", "--name", "No Good"), "Expected a model name"),
        (("train", "dataset:diabetes", "--target", "target", "--schema", "none.toml"), "readable TOML"),
        (("predict", "housse", "x.csv"), "Unknown model 'housse'. There are: 'houses'"),
        (("predict", "houses:1", "x.csv"), "of 'houses'. There are"),
        (("predict", "houses", "x.csv", "-o", "out.xls"), "Expected an output file of .csv"),
        (("predict", "houses", "x.csv", "-o", "no/such/folder.csv"), "folder that exists"),
        (("predict", "houses", "x.csv", "--interval", "2"), "Expected 'interval' in (0, 1)"),
        (("models", "housse"), "Unknown model 'housse'"),
        (("promote", "housse"), "Unknown model 'housse'"),
        (("rollback", "houses"), "Expected a former champion"),
        (("history", "housse"), "Unknown model 'housse'. There are: 'houses'"),
        (("serve", "housse"), "Unknown model 'housse'. There are: 'houses'"),
        (("serve", "houses:1"), "Unknown version '1' of 'houses'"),
        (("evaluate", "houses", "none.csv"), "Expected a file"),
    ],
)
def test_a_wrong_command_is_one_sentence_and_exit_2(home, capsys, arguments, message):
    build_version(home)
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_predict_writes_the_columns_and_the_predictors_own_numbers(home, capsys, tmp_path):
    reference = build_version(home, promote=True)
    data = table(tmp_path / "new.csv")
    frames = {}
    for suffix, read in (
        ("csv", pl.read_csv),
        ("parquet", pl.read_parquet),
        ("arrow", pl.read_ipc),
        ("ndjson", pl.read_ndjson),
    ):
        code, _, err = call(capsys, "predict", "houses", str(data), "-o", str(tmp_path / f"out.{suffix}"))
        assert code == 0, err
        frames[suffix] = read(tmp_path / f"out.{suffix}")
    assert frames["csv"].columns[:2] == ["id", "age"]
    rows = [{k: v for k, v in row.items() if k != "id"} for row in pl.read_csv(data).iter_rows(named=True)]
    answer = Predictor.load(reference.path).predict_rows(rows)
    for frame in frames.values():
        for name in ("value", "lower", "upper"):
            expected = getattr(answer, name)[:, 0]
            np.testing.assert_array_equal(frame[name].to_numpy(), expected.astype(np.float64))
    assert sorted(p.name for p in tmp_path.glob("out.*")) == [f"out.{s}" for s in ("arrow", "csv", "ndjson", "parquet")]


def test_predict_says_what_it_did(home, capsys, tmp_path):
    build_version(home, promote=True)
    data = table(tmp_path / "new.csv")
    code, out, _ = call(capsys, "predict", "houses", str(data), "-o", str(tmp_path / "o.csv"), "--json")
    assert code == 0
    assert last_json(out)["rows"] == 20
    assert last_json(out)["rows_with_warnings"] == 10
    code, out, err = call(capsys, "predict", "houses", str(data), "--interval", "0.5")
    assert out.splitlines()[0].endswith("sold,value,lower,upper,warnings")
    assert len(out.splitlines()) == 21
    assert "10 rows have a warning: unseen in 10." in err


def test_predict_names_the_rows_that_do_not_fit(home, capsys, tmp_path):
    build_version(home, promote=True)
    data = table(tmp_path / "new.csv")
    data.write_text(data.read_text().replace("r3,3.0", "r3,three").replace("r5,5.0", "r5,"))
    code, _, err = call(capsys, "predict", "houses", str(data), "-o", str(tmp_path / "o.csv"))
    assert code == 2
    assert "row 4, 'age': Expected a number. Received: 'three'" in err
    assert "row 6, 'age'" in err
    assert not (tmp_path / "o.csv").exists()


def test_predict_puts_answers_beside_columns_of_the_same_name(home, capsys, tmp_path):
    build_version(home, promote=True)
    data = table(tmp_path / "new.csv")
    pl.read_csv(data).with_columns(value=pl.lit(1)).write_csv(data)
    _, out, _ = call(capsys, "predict", "houses", str(data))
    assert out.splitlines()[0].endswith("value,price_value,price_lower,price_upper,warnings")
    pl.read_csv(data).with_columns(price_lower=pl.lit(1)).write_csv(data)
    code, _, err = call(capsys, "predict", "houses", str(data))
    assert code == 2
    assert "'price_lower'; rename it" in err


def test_predict_names_several_targets(home, capsys, tmp_path):
    build_version(home, promote=True, schema=build_schema(targets=("price", "rent")))
    _, out, _ = call(capsys, "predict", "houses", str(table(tmp_path / "new.csv")))
    assert out.splitlines()[0].endswith("price_upper,rent_value,rent_lower,rent_upper,warnings")


def test_predict_scores_in_chunks_as_in_one(home, capsys, tmp_path, monkeypatch):
    build_version(home, promote=True)
    data = table(tmp_path / "new.csv", 50)
    _, whole, _ = call(capsys, "predict", "houses", str(data))
    monkeypatch.setattr("trueline.scoring.CHUNK", 7)
    _, chunked, _ = call(capsys, "predict", "houses", str(data))
    assert chunked == whole
    data.write_text(data.read_text().replace("r30,30.0", "r30,x"))
    assert "row 31, 'age'" in call(capsys, "predict", "houses", str(data))[2]


def test_models_show_promote_and_rollback(home, capsys):
    assert "No models yet" in call(capsys, "models")[1]
    first, second = build_version(home), build_version(home, seed=1)
    assert f"Promoted houses:{second.version}" in call(capsys, "promote", "houses")[1]
    assert last_json(call(capsys, "promote", f"houses:{first.version}", "--json")[1])["model_version"] == first.version
    assert home.resolve("houses:champion").version == first.version
    _, out, _ = call(capsys, "models")
    assert [line.count("champion") for line in out.splitlines() if first.version in line] == [1]
    rows = last_json(call(capsys, "models", "houses", "--json")[1])["models"]
    assert [row["alias"] for row in rows] == ["", "champion"]
    assert f"Rolled back to houses:{second.version}" in call(capsys, "rollback", "houses")[1]
    _, out, _ = call(capsys, "show", "houses")
    for part in (second.version, "heating", "heat pump", "Is a network worth it here?", str(second.path)):
        assert part in out
    assert last_json(call(capsys, "show", "houses", "--json")[1])["model_version"] == second.version


def test_history_says_what_was_live_by_whom_and_why(home, capsys):
    first, second = build_version(home), build_version(home, seed=1)
    assert "No version of 'houses' was ever live. Promote a version" in call(capsys, "history", "houses")[1]
    call(capsys, "promote", f"houses:{first.version}", "--why", "the first [one]")
    call(capsys, "promote", f"houses:{second.version}")
    call(capsys, "rollback", "houses", "--why", "too high for flats")
    _, out, _ = call(capsys, "history", "houses")
    lines = [line for line in out.splitlines() if "trueline " in line]
    parts = [
        ("3", "rollback", first, "too high for flats"),
        ("2", "promote", second, ""),
        ("1", "promote", first, "[one]"),
    ]
    for line, (number, action, version, why) in zip(lines, parts, strict=True):
        for part in (f" {number} ", action, version.version, why, f"trueline {action}"):
            assert part in line
    entries = last_json(call(capsys, "history", "houses", "--json")[1])["entries"]
    assert [(entry["number"], entry["champion"]) for entry in entries] == [
        (3, first.version),
        (2, second.version),
        (1, first.version),
    ]


def test_history_names_older_entries_that_cannot_be_read(home, capsys):
    first, second, third = (build_version(home, promote=True) for _ in range(3))
    path = home.home / "trueline" / "deployments" / "houses" / "00000002.json"
    entry = path.read_text()
    for damage in ("", entry.replace('"number": 2', '"number": 7')):
        path.write_text(damage)
        code, out, err = call(capsys, "history", "houses")
        assert (code, first.version in out, second.version in out, third.version in out) == (1, True, False, True)
        assert err.startswith(f"Error: Expected entry 2 of the deployment log of 'houses' in {path}. Received: ")
        code, out, _ = call(capsys, "history", "houses", "--json")
        document = last_json(out)
        assert (code, [each["number"] for each in document["entries"]]) == (1, [3, 1])
        assert "A later entry says what is live" in document["problem"]
    code, _, err = call(capsys, "rollback", "houses")
    assert code == 1
    assert f"Error: Expected a deployment log that says what was live before houses:{third.version}." in err
    path.write_text(entry)
    assert call(capsys, "history", "houses")[0] == 0
    assert f"Rolled back to houses:{second.version}" in call(capsys, "rollback", "houses")[1]


def test_a_rollback_names_what_it_skips(home, capsys):
    first, second, _ = (build_version(home, promote=True) for _ in range(3))
    shutil.rmtree(second.path)
    note = f"Note: Skipped houses:{second.version}, which was live after houses:{first.version}: the store"
    code, out, err = call(capsys, "rollback", "houses")
    assert (code, f"Rolled back to houses:{first.version}" in out) == (0, True)
    assert err.startswith(note)
    fourth = build_version(home, promote=True)
    code, out, err = call(capsys, "rollback", "houses", "--json")
    assert (code, err, last_json(out)["skipped"]) == (0, "", [])
    assert fourth.version != last_json(out)["model_version"] == first.version


@pytest.mark.parametrize("command", ["promote", "rollback"])
@pytest.mark.parametrize("seconds", ["nan", "-1", "-inf", "-0.5"])
def test_a_wait_that_is_no_length_of_time_is_refused_before_anything_is_changed(home, capsys, command, seconds):
    build_version(home, promote=True)
    build_version(home, promote=True)
    for wait in ([], ["--wait"]):
        code, _, err = call(capsys, command, "houses", *wait, "--timeout", seconds)
        assert (code, err) == (
            2,
            f"Error: Expected at least 0 seconds for the longest wait (--timeout). Received: {seconds}. Give a number "
            "such as 30.\n",
        )
    assert len(home.history("houses")) == 2


def test_history_names_entries_that_do_not_count(home, capsys):
    version = build_version(home, promote=True)
    folder = home.home / "trueline" / "deployments" / "houses"
    (folder / "00000002.json").write_text("half")
    code, out, err = call(capsys, "history", "houses")
    assert code == 1
    assert version.version in out
    assert err.startswith("Error: Expected entry 2 of the deployment log of 'houses'")
    code, out, _ = call(capsys, "history", "houses", "--json")
    assert (code, "entry 2" in last_json(out)["problem"]) == (1, True)
    code, _, err = call(capsys, "promote", f"houses:{build_version(home, seed=1).version}")
    assert (code, "Expected entry 2 of the deployment log" in err) == (1, True)


def test_promote_is_refused_where_somebody_promoted_meanwhile(home, capsys, monkeypatch):
    first, second, third = (build_version(home, seed=seed) for seed in range(3))
    call(capsys, "promote", f"houses:{first.version}")
    load = Predictor.load

    def slow(path, **options):
        if path.name == second.version:
            LocalRegistry(home.home).promote(f"houses:{third.version}")
        return load(path, **options)

    monkeypatch.setattr(Predictor, "load", slow)
    code, _, err = call(capsys, "promote", f"houses:{second.version}")
    assert (code, f"Received: promote of houses:{third.version} by" in err) == (1, True)
    assert home.resolve("houses:champion").version == third.version


def test_promote_refuses_what_does_not_beat_the_mean_or_does_not_load(home, capsys):
    good = build_version(home, promote=True)
    build_version(home, beats_mean=False)
    code, _, err = call(capsys, "promote", "houses")
    assert (code, "--force" in err) == (1, True)
    broken = build_version(home)
    (broken.path / "model.onnx").write_bytes(b"x")
    code, _, err = call(capsys, "promote", "houses")
    assert (code, "sha256" in err) == (1, True)
    assert home.resolve("houses:champion") == good
    refused = f"houses:{home.versions('houses')[1]}"
    assert call(capsys, "promote", refused, "--force", "verdict", "--why", "a first try")[0] == 0
    assert (home.history("houses")[-1].forced, home.history("houses")[-1].why) == (("verdict",), "a first try")


def test_serve_hands_over_to_bentoml(home, capsys, monkeypatch):
    build_version(home, promote=True)
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _path, arguments: commands.append(arguments))
    monkeypatch.delenv("TRUELINE_MODEL", raising=False)
    code, _, err = call(capsys, "serve", "houses", "--port", "3111", "--workers", "2")
    assert code == 0, err
    assert commands[0][1:5] == ["-m", "trueline.serving", "serve", "service:RegressionService"]
    assert commands[0][-2:] == ["--port", "3111"]
    assert (os.environ["TRUELINE_MODEL"], os.environ["TRUELINE_WORKERS"]) == ("houses", "2")
    # Set by the command itself; monkeypatch would put them back at the end.
    del os.environ["TRUELINE_MODEL"], os.environ["TRUELINE_WORKERS"]


@pytest.mark.parametrize(("host", "address"), [("localhost", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("::1", "::1")])
def test_serve_takes_a_hosts_name_where_bentoml_takes_its_address(home, capsys, monkeypatch, host, address):
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _path, arguments: commands.append(arguments))
    assert call(capsys, "serve", "--host", host)[0] == 0
    assert commands[0][commands[0].index("--host") + 1] == address
    code, _, err = call(capsys, "serve", "--host", "no.such.host.invalid")
    assert (code, "Expected an address or a name of this machine. Received: no.such.host.invalid." in err) == (2, True)


def test_every_setting_but_the_key_is_a_flag_of_serve(home, capsys, monkeypatch):
    build_version(home, promote=True)
    monkeypatch.setattr(os, "execv", lambda _path, _arguments: None)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"TRUELINE_{name.upper()}", raising=False)
    flags = {option.name for option in setting_options()}
    assert flags == set(Settings.model_fields) - {"model", "api_key"}
    environ = dict(os.environ)
    flags = ("--strict-range", "--access-log", "--no-request-ids", "--drain-seconds", "0.5", "--log-format", "json")
    code, _, err = call(capsys, "serve", *flags, "--runtime-folder", str(home.home))
    settings_set = {name: value for name, value in os.environ.items() if name.startswith("TRUELINE_")}
    for name in settings_set.keys() - environ.keys():
        del os.environ[name]
    assert code == 0, err
    assert settings_set == {
        "TRUELINE_WARNINGS": "refuse",
        "TRUELINE_ACCESS_LOG": "True",
        "TRUELINE_REQUEST_IDS": "False",
        "TRUELINE_DRAIN_SECONDS": "0.5",
        "TRUELINE_LOG_FORMAT": "json",
        "TRUELINE_RUNTIME_FOLDER": str(home.home),
    }
    # A wrong flag exits with 2, a wrong setting in the environment with 1.
    assert call(capsys, "serve", "--max-rows", "0")[0] == 2
    monkeypatch.setenv("TRUELINE_MAX_ROWS", "0")
    code, _, err = call(capsys, "serve")
    assert (code, "TRUELINE_MAX_ROWS" in err) == (1, True)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device", "/models"), "Expected room to write at /models"),
        (PermissionError(13, "Permission denied", "/models"), "allowed to read and write at /models"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ],
)
def test_a_fault_of_the_machine_is_one_sentence_and_exit_1(home, capsys, monkeypatch, error, message):
    def fail(*_args: object) -> None:
        raise error

    monkeypatch.setattr(LocalRegistry, "names", fail)
    code, _, err = call(capsys, "models")
    assert code == 1
    assert message in err
    assert err.count("\n") == 1


def test_an_interrupt_is_130(home, capsys, monkeypatch):
    def interrupt(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalRegistry, "names", interrupt)
    assert call(capsys, "models")[0] == 130


@pytest.mark.parametrize(
    "arguments", [("train", "x.csv", "--target", "y"), ("predict", "m", "x.csv"), ("evaluate", "m", "x.csv")]
)
def test_a_service_without_the_training_extra_says_so(home, capsys, monkeypatch, arguments):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    code, _, err = call(capsys, *arguments)
    assert code == 2
    assert "pip install '.[training]' in a clone of Trueline" in err


def test_predict_gives_a_csv_back_as_it_was(home, capsys, tmp_path):
    build_version(home, promote=True)
    data = table(tmp_path / "new.csv", 3)
    notes = ("note", "1.50", "007", "2024-01-01")
    lines = [f"{line},{note}" for line, note in zip(data.read_text().splitlines(), notes, strict=True)]
    data.write_text("\n".join(lines))
    _, out, _ = call(capsys, "predict", "houses", str(data))
    for before, after in zip(lines, out.splitlines(), strict=True):
        assert after.startswith(before + ",")


@pytest.mark.parametrize(
    ("reference", "more", "sentence"),
    [
        ("houses:1", (), r"Unknown version '1' of 'houses'\. There are: '2"),
        ("hauses", (), r"Unknown model 'hauses'\. There are: 'houses'\."),
        ("houses", ("--model", "lasso"), r"Expected --model among tabm, realmlp, mlp with --init\. Received: lasso"),
    ],
)
def test_a_start_that_cannot_be_is_told_before_any_training(
    home, capsys, tmp_path, monkeypatch, reference, more, sentence
):
    build_version(home)
    rows = pl.read_csv(table(tmp_path / "rows.csv", n=40)).with_columns(price=pl.int_range(40) % 7)
    rows.write_csv(tmp_path / "new.csv")
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    code, _, err = call(
        capsys, "train", str(tmp_path / "new.csv"), "--target", "price", "--init", reference, "--set", "epochs=1", *more
    )
    assert code == 2
    assert re.search(sentence, err), err
