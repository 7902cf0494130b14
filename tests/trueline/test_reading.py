"""Files as the commands read them: options, notes, standard input; names that look like markup."""

from __future__ import annotations

import io
import re
import sys
import unicodedata
from pathlib import Path

import polars as pl
import pytest

from artifact.registry.local import LocalRegistry
from artifact.rows.schema import Feature
from tests.builders import build_schema, build_version
from tests.training.conftest import mixed_table
from tests.trueline.test_commands import call, last_json, table
from trueline.terminal import consoles
from trueline.terminal.tables import schema_table

ODD = ("temp [/C]", "area[m2]", "[bold]", "a:smile:b", "[/]", "<b>&amp;")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRegistry:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return LocalRegistry(tmp_path)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_predict_reads_a_table_on_standard_input_and_gives_it_back(home, capsys, tmp_path, monkeypatch, separator):
    build_version(home, promote=True)
    _, expected, _ = call(capsys, "predict", "houses", str(table(tmp_path / "new.csv")))
    data = pl.read_csv(tmp_path / "new.csv", infer_schema=False).write_csv(separator=separator)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data.encode())))
    code, out, err = call(capsys, "predict", "houses", "-")
    assert code == 0, err
    assert out == expected


def test_notes_of_reading_go_to_stderr_in_predict_and_evaluate(home, capsys, tmp_path):
    build_version(home, promote=True)
    data = table(tmp_path / "new.csv")
    plain = pl.read_csv(data, infer_schema=False).with_columns(price=pl.lit("1.5"), town=pl.lit("Nîmes"))
    (tmp_path / "old.csv").write_bytes(plain.write_csv().encode("cp1252"))
    for command in ("predict", "evaluate"):
        code, out, err = call(capsys, command, "houses", str(tmp_path / "old.csv"))
        assert code == 0, err
        assert "is read as Windows-1252 (cp1252), such as 'Nîmes'" in err
        assert "Note" not in out
        assert call(capsys, command, "houses", str(tmp_path / "old.csv"), "--encoding", "cp1250")[0] == 0
        code, _, err = call(capsys, command, "houses", str(tmp_path / "old.csv"), "--encoding", "utf-8")
        assert (code, "byte 0xee in line 2" in err) == (2, True)


def test_options_say_how_a_table_is_read(home, capsys, tmp_path):
    build_version(home, promote=True)
    data = table(tmp_path / "new.csv")
    text = pl.read_csv(data, infer_schema=False).write_csv(separator="~")
    data.write_text(text)
    assert call(capsys, "predict", "houses", str(data), "--separator", "~")[0] == 0
    code, _, err = call(capsys, "predict", "houses", str(data), "--separator", "~~")
    assert (code, "one character" in err) == (2, True)
    code, _, err = call(capsys, "evaluate", "houses", str(data), "--encoding", "nonsense")
    assert (code, "a name that Python knows" in err) == (2, True)


def test_case_07_predict_passes_an_unnamed_index_through(home, capsys, tmp_path):
    build_version(home, promote=True)
    data = table(tmp_path / "new.csv")
    rows = data.read_text().splitlines()
    data.write_text("\n".join([f",{rows[0]}", *(f"{700 + 3 * i},{row}" for i, row in enumerate(rows[1:]))]) + "\n")
    code, out, err = call(capsys, "predict", "houses", str(data))
    assert code == 0
    assert "left out" in err
    assert out.splitlines()[0].startswith(('"",id,', ",id,"))
    assert [line.partition(",")[0] for line in out.splitlines()[1:3]] == ["700", "703"]
    code, _, err = call(capsys, "predict", "houses", str(data), "-o", str(tmp_path / "o.parquet"))
    assert pl.read_parquet(tmp_path / "o.parquet").columns[:2] == ["", "id"], err


def test_case_11d_predict_finds_a_feature_in_another_form_of_unicode(home, capsys, tmp_path):
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "Größe")
        schema = build_schema([Feature(name=name, kind="number", example=1.0, minimum=0, maximum=10)])
        build_version(home, name=f"m-{form.lower()}", promote=True, schema=schema)
        for other in ("NFC", "NFD"):
            data = tmp_path / "new.csv"
            data.write_text(f"{unicodedata.normalize(other, 'Größe')},b\n1.5,2\n2.5,3\n", encoding="utf-8")
            code, out, err = call(
                capsys, "predict", f"m-{form.lower()}", str(data), "--json", "-o", f"{tmp_path}/o.csv"
            )
            assert code == 0, err
            assert last_json(out)["rows"] == 2


def test_case_08_each_command_refuses_a_name_that_stands_twice(home, capsys, tmp_path):
    build_version(home, promote=True)
    data = tmp_path / "t.csv"
    data.write_text("town,area,price,price\n" + "Cern,1,2,3\nAlma,2,3,4\n" * 30)
    for arguments in (("train", str(data), "--target", "price"), ("predict", "houses", str(data))):
        code, out, err = call(capsys, *arguments)
        assert (code, out) == (2, "")
        assert "'price' as columns 3 and 4" in err


def test_case_09_names_are_never_markup_in_tables_and_messages(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    features = [Feature(name=name, kind="number", unit=name, example=1.0, minimum=0, maximum=10) for name in ODD]
    schema = build_schema(features)
    for console in (consoles.stdout(), consoles.stderr()):
        console.print(schema_table(schema))
        for name in ODD:
            console.print(f"Note: Column '{name}' is left out.")
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        for name in ODD:
            assert text.count(name) >= 3, name


def test_case_09_a_progress_bar_shows_a_text_as_it_is():
    from rich.progress import Progress

    progress = Progress(consoles.text_column("{task.fields[detail]}"), console=consoles.stderr())
    task = progress.add_task("", detail=" ".join(ODD))
    (column,) = progress.columns
    assert column.render(progress.tasks[task]).plain == " ".join(ODD)


def test_consoles_and_texts_of_progress_are_made_in_one_place():
    for path in Path(consoles.__file__).parents[1].rglob("*.py"):
        if path.name != "consoles.py":
            assert not re.search(r"\b(Console|TextColumn)\(|from_markup", path.read_text(encoding="utf-8")), path.name


def test_case_09e_a_target_and_features_in_brackets_train_evaluate_predict_and_report(home, capsys, tmp_path):
    renamed = {"price": "cost [/m2], EUR", "area": "temp [/C]", "town": "<i>[bold]", "rooms": 'say "x"'}
    data = tmp_path / "brackets.csv"
    mixed_table(200).rename(renamed).write_csv(data)
    quick = ("--preset", "fast", "--cv", "2", "--set", "repeats=1", "--set", "epochs=2", "--set", "hidden=[8]")
    code, out, err = call(capsys, "train", str(data), "--target", "cost [/m2], EUR", "--name", "m", *quick)
    assert code == 0, err
    assert "cost [/m2], EUR: " in out
    for name in ("temp [/C]", "<i>[bold]", 'say "x"'):
        assert name in err
    code, out, err = call(capsys, "show", "m")
    assert code == 0, err
    assert "cost [/m2], EUR: " in out
    report = next(tmp_path.glob("models/m/*/report/report.html")).read_text(encoding="utf-8")
    assert "&lt;i&gt;[bold]" in report
    assert "<i>[bold]" not in report
    code, out, err = call(capsys, "evaluate", "m", str(data))
    assert code == 0, err
    assert "cost [/m2], EUR: 200 rows" in out
    assert call(capsys, "predict", "m", str(data))[0] == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "an empty file"),
        ("t.csv", b"town,area,price\n", "an empty table"),
        ("t.csv", "a,b\nŁódź,1\nWrocław,2\n".encode("cp1250"), "--encoding"),
        ("t.csv", b"Preis, EUR;Menge\n1,5;2\n2,5;3\n", "--separator"),
        ("t.csv.gz", b"\x1f\x8bdamaged", "compressed and whole"),
        ("t.xlsx", b"PK\x03\x04", "readable as xlsx"),
        ("t.parquet", b"PAR1", "readable as parquet"),
        ("t.arrow", b"\xff\xff\xff\xff\x00", "readable as arrow"),
    ],
)
def test_no_file_ends_in_a_traceback(home, capsys, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    for arguments in (
        ("train", str(tmp_path / name), "--target", "price"),
        ("predict", "houses", str(tmp_path / name)),
    ):
        if arguments[0] == "predict":
            build_version(home, promote=True)
        code, _, err = call(capsys, *arguments)
        assert code == 2, err
        assert message in err
        assert "\n" not in err.strip()
