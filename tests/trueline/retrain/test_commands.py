"""``refit``, ``finetune`` and ``reproduce`` refuse what cannot be, each in one sentence, before any training."""

from __future__ import annotations

import json

import pytest

from artifact.recipe import RECIPE
from artifact.registry.entry import Statement
from tests.builders import build_version, write_version
from tests.trueline.retrain.conftest import houses, stored
from tests.trueline.test_commands import call

NEW = ("--data", "new.csv")
COMMANDS = (("refit", "houses", *NEW), ("finetune", "houses", *NEW), ("reproduce", "houses"))


@pytest.mark.parametrize("words", [*COMMANDS, ("recalibrate", "houses", *NEW)])
def test_an_unknown_model_lists_those_there_are(home, capsys, words):
    stored(home)
    code, _, err = call(capsys, words[0], "hoses", *words[2:])
    assert code == 2
    assert "Unknown model 'hoses'. There are: 'houses'." in err


@pytest.mark.parametrize("words", COMMANDS)
def test_a_version_without_a_recipe_says_what_is_missing(home, capsys, words):
    version = build_version(home)
    code, _, err = call(capsys, *words)
    assert code == 2
    assert f"Received: houses:{version.version}, which an earlier Trueline stored without one. Nobody knows" in err


@pytest.mark.parametrize("words", COMMANDS)
def test_a_recipe_of_a_newer_format_says_so(home, capsys, words):
    with home.create("houses") as (version, folder):
        (folder / RECIPE).write_text(json.dumps({"format": 99}))
        write_version(folder, version)
    code, _, err = call(capsys, *words)
    assert code == 1
    assert "Received: format 99, which this Trueline does not know. Update Trueline." in err


def test_data_that_is_gone_is_told_where_no_other_is_given(home, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stored(home, houses())
    code, _, err = call(capsys, "refit", "houses")
    assert (code, "houses.csv" in err) == (2, True)


@pytest.mark.parametrize("data", ["-", "a polars DataFrame"])
def test_data_that_cannot_be_read_again_is_asked_for(home, capsys, data):
    stored(home, data=data)
    code, _, err = call(capsys, "refit", "houses")
    assert (code, "Expected --data" in err, "cannot be read again" in err) == (2, True, True)


def test_options_that_exclude_each_other_or_cannot_be(home, tmp_path, capsys):
    stored(home)
    houses(800).write_csv(tmp_path / "new.csv")
    new = str(tmp_path / "new.csv")
    for words, sentence in (
        (("refit", "houses", "--data", new, "--append", new), "Expected --data or --append. Received: both."),
        (("refit", "houses", "--data", new, "--newest", "soon"), "such as 10000 or 90d"),
        (
            ("refit", "houses", "--data", new, "--newest", "10"),
            "Expected a version that was trained with --time, for --newest",
        ),
        (("finetune", "houses", "--data", new, "--tolerance", "-1"), "Expected --tolerance of at least 0"),
        (("reproduce", "houses"), "Expected a version whose rows are kept"),
    ):
        code, _, err = call(capsys, *words)
        assert (code, sentence in err) == (2, True), err


def test_kept_rows_that_were_pruned_or_damaged_are_told(home, capsys):
    version = stored(home, houses())
    [path] = home.tables.folder.glob("*.parquet")
    whole = path.read_bytes()
    path.write_bytes(b"PAR1" + whole[4:100] + b"?" + whole[101:])
    code, _, err = call(capsys, "reproduce", "houses")
    assert (code, f"training rows of houses:{version.version}" in err, "The file is damaged" in err) == (1, True, True)
    path.unlink()
    code, _, err = call(capsys, "reproduce", "houses")
    assert (code, "no such file" in err) == (1, True)
    assert len(home.versions("houses")) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("train", "", "--target", "price"),
        ("refit", "houses", "--data", ""),
        ("refit", "houses", "--append", " "),
        ("finetune", "houses", "--data", ""),
        ("recalibrate", "houses", "--data", ""),
        ("compare", "NEWEST", "houses:champion", ""),
        ("promote", "houses", "--data", ""),
        ("evaluate", "houses", ""),
        ("predict", "houses", ""),
        ("inspect", "", "--target", "price"),
    ],
)
def test_an_empty_path_is_not_the_current_folder(home, tmp_path, monkeypatch, capsys, words):
    """The folder has a table, which nobody named."""
    home.promote(f"houses:{stored(home, houses()).version}", statement=Statement(forced=("verdict",)))
    newest = f"houses:{stored(home, houses()).version}"
    (tmp_path / "here").mkdir()
    houses(800, 1).write_csv(tmp_path / "here" / "new.csv")
    monkeypatch.chdir(tmp_path / "here")
    code, _, err = call(capsys, *(newest if word == "NEWEST" else word for word in words))
    assert (code, "Expected the path of a table. Received: an empty text." in err) == (2, True), err
    assert len(home.versions("houses")) == 2
