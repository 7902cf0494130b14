"""``compare`` and ``promote`` where something is wrong: rows, versions, files or options."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import polars as pl
import pytest

from artifact.manifest import ONNX_MODEL
from tests.builders import HOUSE_FEATURES, build_schema, build_version
from tests.processes import ROOT
from tests.trueline.gates.conftest import call, gates_of


def test_versions_of_different_targets_are_not_compared(home, champion, capsys):
    build_version(home, name="flats", schema=build_schema(targets=("rent",)))
    code, _, err = call(capsys, "compare", "flats", "houses")
    assert code == 2
    assert "Expected two versions that predict the same targets. Received: flats:" in err
    assert "predicts 'rent'" in err
    # Another model of the same target can be compared, and cannot be promoted in its place.
    build_version(home, name="huts")
    assert call(capsys, "compare", "huts", "houses")[0] == 0
    code, _, err = call(capsys, "compare", "houses", "houses:champion")
    assert (code, "Expected two versions. Received: houses:" in err) == (2, True)
    code, _, err = call(capsys, "compare", "houses", "hoses")
    assert (code, "Unknown model 'hoses'. There are: 'houses'" in err) == (2, True)


def test_a_version_of_another_target_is_refused_in_the_champions_place(home, champion, data, capsys):
    build_version(home, schema=build_schema(targets=("rent",)))
    other = pl.read_csv(data).rename({"price": "rent"})
    other.write_csv(data)
    code, out, err = call(capsys, "promote", "houses", "--data", data, "--json")
    assert (code, "'price' is no longer predicted." in err) == (1, True)
    assert "The champion predicts price, and not rent." in gates_of(out)["error"]["sentence"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: rows.drop("price"), "Unknown target column 'price'"),
        (lambda rows: rows.head(0), "Received:"),
        (lambda rows: rows.head(20), "Received: 20 of 20 that have one. Give more rows, or none"),
        (lambda rows: rows.with_columns(price=pl.lit(None, pl.Float64)), "Received: none of 600."),
        (lambda rows: rows.with_columns(price=pl.lit("dear")), "Expected numbers in 'price'"),
        (lambda rows: rows.drop("rooms"), "Expected column 'rooms'"),
        (lambda rows: rows.with_columns(rooms=pl.lit("many")), "'rooms'"),
    ],
    ids=["no target", "no rows", "few rows", "no target's value", "words", "no feature", "texts for numbers"],
)
def test_rows_that_cannot_be_compared_are_wrong_data(home, champion, data, capsys, change, sentence):
    build_version(home)
    change(pl.read_csv(data)).write_csv(data)
    for command in (
        ("promote", "houses", "--data", data),
        ("compare", f"houses:{home.versions('houses')[-1]}", "houses", data),
    ):
        code, _, err = call(capsys, *command)
        assert (code, sentence in err) == (2, True), err
        assert "Traceback" not in err
    assert home.resolve("houses:champion").version == champion.version


@pytest.mark.parametrize("gone", [False, True])
def test_a_champion_that_is_damaged_or_gone_is_replaced_and_it_is_said(home, champion, data, capsys, gone):
    new = build_version(home)
    if gone:
        shutil.rmtree(champion.path.parent / champion.version)
    else:
        (champion.path / "model.onnx").write_bytes(b"x")
    code, out, err = call(capsys, "promote", f"houses:{new.version}", "--data", data, "--json")
    assert code == 0, err
    assert f"Note: houses:{champion.version} gives no answers, and another version can take its place:" in err
    assert ("is not in the store any more" in err) == gone
    assert gates_of(out)["groups"]["sentence"].startswith("The champion gives no answers:")
    # The candidate's own intervals are measured on the rows all the same.
    assert "of 600 rows" in gates_of(out)["coverage"]["sentence"]
    assert home.resolve("houses:champion").version == new.version


def test_a_champion_that_lacks_a_column_in_the_rows_is_compared_by_figures(home, champion, data, capsys):
    fewer = build_version(home, schema=build_schema([f for f in HOUSE_FEATURES if f.name != "age"]))
    pl.read_csv(data).drop("age").write_csv(data)
    _, out, _ = call(capsys, "compare", f"houses:{fewer.version}", "houses", data, "--json")
    assert gates_of(out)["error"]["sentence"].startswith(
        "The champion cannot answer these rows: Expected column 'age'."
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--force"], r"Expected names of gates after --force\. Received: none\. .* There are: size, latency, schema,"),
        (["--force", "--json"], r"Expected names of gates after --force\. Received: none\."),
        (["--force", "eror", "--why", "x"], r"Unknown gate 'eror'\. There are: 'error', 'size'"),
        (["--force", "files", "--why", "x"], r"Expected a gate that can be overruled: size, .* Received: 'files'"),
        (["--force", "error"], r"Expected a reason for overruling a gate\. Received: error without one\."),
        (["--force", "error", "--why", " "], r"Expected a reason for overruling a gate\."),
    ],
)
def test_what_is_wrong_about_force_is_said_before_any_work(home, champion, capsys, words, sentence):
    code, _, err = call(capsys, "promote", "houses", *words)
    assert code == 2
    assert re.search(sentence, err)
    code, _, err = call(capsys, "train", "no-such-file.csv", "--target", "price", "--promote", *words)
    assert code == 2
    assert re.search(sentence, err)


def test_gates_without_rows_load_nothing_of_training(home, champion):
    build_version(home)
    script = (
        "import sys\n"
        "for name in ('polars', 'sklearn', 'keras', 'tensorflow', 'pandas', 'pyarrow', 'matplotlib'):\n"
        "    sys.modules[name] = None\n"
        "from trueline.main import run\n"
        "assert run(['compare', 'houses:' + sys.argv[1], 'houses', '-o', sys.argv[2]]) == 0\n"
        "assert run(['promote', 'houses', '--json']) == 0\n"
        "assert run(['promote', 'houses', '--data', 'x.csv']) == 2\n"
    )
    page = home.home / "x.html"
    last = home.versions("houses")[-1]
    done = subprocess.run(
        [sys.executable, "-c", script, last, str(page)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert page.is_file()
    assert "training extra" in done.stderr


@pytest.mark.parametrize("name", ["gates.pdf", "gates.json", "gates"])
def test_a_page_has_the_ending_of_html(home, champion, tmp_path, capsys, name):
    code, _, err = call(capsys, "compare", "houses", "houses:champion", "-o", str(tmp_path / name))
    assert code == 2
    assert "Expected a page of HTML, a file of .html or .htm. Received: " in err
    assert "Write it to gates.html; a browser prints it as PDF. For JSON, say --json." in err


def test_what_is_wrong_with_a_damaged_candidate_is_told_once(home, champion, capsys):
    version = build_version(home)
    path = version.path / ONNX_MODEL
    path.write_bytes(path.read_bytes() + b"?")
    for words in (
        ("promote", f"houses:{version.version}"),
        ("compare", f"houses:{version.version}", "houses:champion"),
    ):
        out = call(capsys, *words)[1]
        assert out.count("sha256") == 1, out
        assert f"houses:{version.version} does not load." in out


def test_what_is_wrong_with_a_damaged_champion_is_told_once(home, champion, data, capsys):
    path = home.resolve("houses:champion").path / ONNX_MODEL
    path.write_bytes(path.read_bytes() + b"?")
    version = build_version(home)
    for words in ((), ("--data", data)):
        _, out, err = call(capsys, "promote", f"houses:{version.version}", "--force", "width", "--why", "x", *words)
        if "Nothing changed" not in out:
            assert (out + err).count("sha256") == 1, out + err


def test_a_wait_without_a_worker_says_what_is_known(home, champion, capsys):
    build_version(home)
    out = call(capsys, "promote", "houses", "--wait")[1]
    assert "No running service says in this store that it follows 'houses'." in out
    assert "with a read-only mount, follows all the same and cannot say so" in out
