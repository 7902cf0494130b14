"""What a user writes about a version or a promotion: one rule for each command and for Python, and in what is shown."""

from __future__ import annotations

import pytest

import trueline
from artifact.errors import DataError
from artifact.registry.entry import Statement
from artifact.registry.local import LocalRegistry
from artifact.words.remarks import remark
from tests.builders import build_version
from tests.trueline.test_commands import call

TOO_LONG = "x" * 501
# A colour, a bell, a new line, a mark that turns the direction of writing, and half of a character.
DIRTY, CLEAN = "red \x1b[31m\a\n  and\u202e more\udc80", "red [31m and more"
COMMANDS = (
    ("promote", "houses", "--why"),
    ("rollback", "houses", "--why"),
    ("train", "houses.csv", "--target", "price", "--why"),
    ("train", "houses.csv", "--target", "price", "--note"),
    ("refit", "houses", "--data", "new.csv", "--note"),
    ("finetune", "houses", "--data", "new.csv", "--note"),
    ("recalibrate", "houses", "--data", "new.csv", "--note"),
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    return LocalRegistry(tmp_path / "home")


def test_a_text_is_one_line_without_control_characters():
    assert remark(DIRTY, "why") == CLEAN
    assert remark("x" * 500 + "\n \x1b", "why") == "x" * 500
    # Letters, signs and joined emoji of all scripts stay.
    for text in ("für 3 €", "کل\u200cرنگ", "👩\u200d🌾", "日本"):
        assert remark(text, "why") == text


@pytest.mark.parametrize("words", COMMANDS)
def test_each_command_refuses_a_text_that_is_too_long_before_any_work(home, capsys, words):
    """No table and no model is there: nothing else is looked at."""
    code, _, err = call(capsys, *words, TOO_LONG)
    assert (code, f"Expected a {words[-1]} of up to 500 characters. Received: 501." in err) == (2, True), err


@pytest.mark.parametrize("text", [None, 3, TOO_LONG])
def test_python_refuses_what_is_no_text_or_too_long_and_changes_nothing(home, text):
    first = build_version(home)
    home.promote(f"houses:{first.version}")
    model = trueline.load(f"houses:{build_version(home).version}")
    for deed in (
        lambda: model.promote(why=text),
        lambda: trueline.rollback("houses", why=text),
        lambda: trueline.train("houses.csv", "price", promote=True, why=text),
        lambda: trueline.train("houses.csv", "price", note=text),
        lambda: model.recalibrate("new.csv", note=text),
    ):
        with pytest.raises(DataError, match=r"^Expected ('why' as a text|'note' as a text|a --why|a --note)"):
            deed()
    assert (home.alias("houses").version, len(home.history("houses"))) == (first.version, 1)


def test_the_log_has_the_clean_text_and_so_has_an_event(home, tmp_path, capsys):
    version, heard = build_version(home), tmp_path / "heard"
    assert call(capsys, "promote", "houses", "--why", DIRTY, "--on-event", f"cat > {heard}")[0] == 0
    assert home.deployment("houses").why == CLEAN
    assert f'"why": "{CLEAN}"' in heard.read_text()
    trueline.load(f"houses:{build_version(home).version}").promote(why=DIRTY)
    assert home.deployment("houses").why == CLEAN
    trueline.rollback("houses", why=DIRTY)
    assert (home.deployment("houses").champion, home.deployment("houses").why) == (version.version, CLEAN)


def test_history_shows_an_entry_of_another_writer_clean(home, capsys):
    version = build_version(home)
    home.promote(f"houses:{version.version}", statement=Statement("\x1b[2J" + DIRTY))
    out = call(capsys, "history", "houses")[1]
    assert "\x1b" not in out
    assert f"[2J{CLEAN}" in out
