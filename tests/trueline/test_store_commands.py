"""The commands that list, delete and show versions, as their user sees them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from artifact.manifest import REPORT, Manifest
from artifact.registry.local import LocalRegistry
from tests.artifact.versions import add, promoted
from tests.builders import build_version
from trueline.main import run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRegistry:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    return LocalRegistry(tmp_path / "home")


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, answer: str) -> list[str]:
    """Answer each question; what is given is the list of the questions."""
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", ask)
    return questions


def test_models_tells_versions_apart_the_newest_first_with_figures_that_end_alike(home, capsys):
    old, new = add(home, note="before the cleaning"), add(home, note="[bold]no markup[/]")
    home.promote(f"houses:{old}")
    code, out, err = call(capsys, "models", "houses")
    assert code == 0, err
    header, first, second = (line for line in out.splitlines() if "│" in line or "model" in line)
    assert [word.strip() for word in re.split("[┃│]", header)[1:-1]] == [
        *("model", "version", "alias", "family", "objective", "rows", "RMSE", "worth it", "note")
    ]
    assert new in first
    assert "[bold]no markup[/]" in first
    assert old in second
    assert "champion" in second
    assert "before the cleaning" in second
    for part in ("mlp", "gaussian", " 500 │", " 4.2 │"):
        assert part in first, part
    rows = json.loads(call(capsys, "models", "houses", "--json")[1])["models"]
    assert [row["note"] for row in rows] == ["[bold]no markup[/]", "before the cleaning"]
    assert rows[0]["rows"] == 500


def test_a_damaged_version_is_listed_with_what_is_wrong_and_the_others_too(home, capsys):
    damaged, whole = add(home), add(home)
    (home.models / "houses" / damaged / "manifest.json").write_text("{")
    code, out, err = call(capsys, "models")
    assert code == 0, err
    assert damaged in out
    assert "Expected JSON" in out
    assert whole in out
    rows = json.loads(call(capsys, "models", "--json")[1])["models"]
    assert [("error" in row) for row in rows] == [False, True]


def test_models_names_what_is_damaged_as_far_as_it_looks(home, capsys):
    gone, without, copied, changed = (build_version(home) for _ in range(4))
    whole = build_version(home, promote=True)
    (gone.path / "manifest.json").unlink()
    (without.path / "model.onnx").unlink()
    shutil.copy(whole.path / "manifest.json", copied.path / "manifest.json")
    (changed.path / "model.onnx").write_bytes(b"other")
    code, out, err = call(capsys, "models", "--json")
    assert code == 0, err
    rows = {row["model_version"]: row.get("error", "") for row in json.loads(out)["models"]}
    assert list(rows) == [whole.version, changed.version, copied.version, without.version, gone.version]
    assert rows[gone.version].startswith(f"Expected manifest.json in {gone.path}. Received: no such file.")
    assert rows[without.version].startswith(f"Expected model.onnx in {without.path}. Received: no such file.")
    assert rows[copied.version].startswith(f"Expected the manifest of houses:{copied.version}.")
    # Only --check reads the files.
    assert rows[changed.version] == rows[whole.version] == ""
    code, out, err = call(capsys, "models", "houses", "--check", "--json")
    rows = {row["model_version"]: row.get("error", "") for row in json.loads(out)["models"]}
    assert rows[changed.version].startswith("Expected model.onnx with sha256")
    assert (code, rows[whole.version], rows[gone.version][:22]) == (1, "", "Expected manifest.json")
    assert err.startswith("Error: Expected versions whose files are as training wrote them. Received: houses:")
    assert f"houses:{whole.version}" not in err
    for damaged in (gone, without, copied, changed):
        assert call(capsys, "delete", f"houses:{damaged.version}", "--yes")[:2] == (
            0,
            f"Deleted houses:{damaged.version}.\n",
        )
    assert call(capsys, "models", "--check")[0] == 0


def test_a_model_of_which_no_manifest_is_left_is_listed_and_told_by_prune(home, capsys):
    version = add(home)
    folder = home.models / "houses" / version
    (folder / "manifest.json").unlink()
    assert version in call(capsys, "models", "houses")[1]
    code, out, err = call(capsys, "prune", "houses", "--keep", "1", "--yes")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith(
        f"Kept houses:{version}: Expected manifest.json in {folder}. Received: no such"
    )
    code, out, _ = call(capsys, "prune", "houses", "--keep", "1", "--yes", "--json")
    assert json.loads(out)["kept"] == {version: "damaged version"}
    assert folder.is_dir()
    assert call(capsys, "delete", f"houses:{version}", "--yes")[0] == 0
    assert not folder.exists()
    assert "Unknown model 'houses'" in call(capsys, "models", "houses")[2]


def test_versions_are_listed_while_the_log_is_damaged(home, capsys):
    [version] = promoted(home, 1)
    (home.home / "trueline" / "deployments" / "houses" / "00000001.json").write_text("{")
    code, out, err = call(capsys, "models")
    assert (code, version in out) == (0, True)
    assert err.startswith("Note: Expected entry 1 of the deployment log of 'houses'")


def test_a_manifest_of_before_notes_still_loads(home, capsys):
    version = add(home)
    path = home.models / "houses" / version
    data = json.loads((path / "manifest.json").read_text())
    del data["note"], data["lineage"]["command"], data["digest"]
    from artifact.manifest import digest_of

    (path / "manifest.json").write_text(json.dumps(data | {"digest": digest_of(data)}))
    assert Manifest.read(path).note == ""
    assert call(capsys, "models")[0] == 0


def test_delete_asks_on_a_terminal_and_needs_yes_without_one(home, capsys, monkeypatch):
    first, second = add(home), add(home)
    code, out, err = call(capsys, "delete", f"houses:{first}")
    assert (code, out) == (2, "")
    assert "Expected --yes where there is no terminal" in err
    assert home.versions("houses") == [first, second]
    with monkeypatch.context() as patched:
        on_a_terminal(patched, "n")
        code, _, err = call(capsys, "delete", f"houses:{first}")
    assert code == 1
    assert "Nothing was deleted." in err
    assert home.versions("houses") == [first, second]
    with monkeypatch.context() as patched:
        on_a_terminal(patched, "y")
        assert call(capsys, "delete", f"houses:{first}")[1] == f"Deleted houses:{first}.\n"
    code, out, _ = call(capsys, "delete", f"houses:{second}", "--yes", "--json")
    assert json.loads(out) == {"model_name": "houses", "deleted": [second]}
    assert home.names() == []


def test_what_serves_is_refused_before_anybody_is_asked(home, capsys):
    former, live = promoted(home, 2)
    for version, role in ((live, "the champion"), (former, "the former champion")):
        code, out, err = call(capsys, "delete", f"houses:{version}")
        assert (code, out) == (1, "")
        assert role in err
        assert err.count("\n") == 1
    assert home.versions("houses") == [former, live]


def test_what_a_rollback_left_is_spared_and_named_before_it_is_deleted(home, capsys, monkeypatch):
    former, left = promoted(home, 2)
    home.rollback("houses")
    add(home)
    day = home.history("houses")[-1].when.partition("T")[0]
    role = f"version that a rollback left on {day}"
    _, out, _ = call(capsys, "prune", "houses", "--keep", "1", "--yes")
    assert out.splitlines()[:2] == [f"Kept houses:{left}, the {role}.", f"Kept houses:{former}, the champion."]
    with monkeypatch.context() as patched:
        questions = on_a_terminal(patched, "n")
        assert call(capsys, "delete", f"houses:{left}")[0] == 1
    assert questions == [f"Delete houses:{left}? It is the {role}. [y/N]: "]
    assert call(capsys, "delete", f"houses:{left}", "--yes")[0] == 0


def test_prune_says_first_and_spares_what_must_stay(home, capsys):
    old, former, live = promoted(home, 3)
    newest = add(home)
    code, out, err = call(capsys, "prune", "houses", "--keep", "1", "--dry-run")
    assert code == 0, err
    assert out.splitlines() == [
        f"Would delete houses:{old}.",
        f"Kept houses:{former}, the former champion.",
        f"Kept houses:{live}, the champion.",
    ]
    assert home.versions("houses") == [old, former, live, newest]
    assert call(capsys, "prune", "houses", "--keep", "1")[0] == 2
    code, out, _ = call(capsys, "prune", "houses", "--keep", "1", "--yes", "--json")
    assert json.loads(out) == {
        "model_name": "houses",
        "deleted": [old],
        "would_delete": [],
        "kept": {former: "former champion", live: "champion"},
    }
    assert home.versions("houses") == [former, live, newest]
    assert "Nothing to delete: 'houses' has 3 versions." in call(capsys, "prune", "houses", "--keep", "3")[1]
    assert call(capsys, "prune", "houses", "--keep", "0", "--yes")[0] == 2
    assert "Unknown model 'hauses'" in call(capsys, "prune", "hauses", "--keep", "1")[2]


def test_report_prints_where_it_is_opens_it_and_writes_a_copy(home, capsys, tmp_path, monkeypatch):
    version = add(home)
    path = home.models / "houses" / version / REPORT / "report.html"
    code, _, err = call(capsys, "report", "houses")
    assert code == 2
    assert f"Expected a report in houses:{version}. Received: none" in err
    path.parent.mkdir()
    path.write_text("<html>é</html>", encoding="utf-8")
    assert call(capsys, "report", "houses")[1] == f"{path}\n"
    copy = tmp_path / "copy.html"
    code, out, _ = call(capsys, "report", f"houses:{version}", "-o", str(copy), "--json")
    assert json.loads(out) == {"model_name": "houses", "model_version": version, "report": str(copy)}
    assert copy.read_text(encoding="utf-8") == "<html>é</html>"
    for wrong in (tmp_path / "no" / "copy.html", tmp_path):
        code, _, err = call(capsys, "report", "houses", "-o", str(wrong))
        assert code == 2
        assert "Expected a file" in err
    urls: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: not urls.append(url))
    assert call(capsys, "report", "houses", "--open")[0] == 0
    assert urls == [path.as_uri()]
    monkeypatch.setattr("webbrowser.open", lambda _url: False)
    code, _, err = call(capsys, "report", "houses", "--open")
    assert code == 2
    assert "Expected a browser" in err
