"""``trueline history`` on terminals of each width, and for a name that has a version."""

from __future__ import annotations

import pytest

from artifact.registry.entry import Statement
from artifact.registry.local import LocalRegistry
from tests.builders import build_version
from tests.trueline.test_commands import call

WHY = "the new rows of January, with the flats of the new quarter, and Ashford's corrected areas"


@pytest.fixture
def versions(tmp_path, monkeypatch):
    """Two versions that were live."""
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    home = LocalRegistry(tmp_path)
    made = [build_version(home).version for _ in range(2)]
    for version, why in zip(made, ("", WHY), strict=True):
        home.promote(f"houses:{version}", statement=Statement(why, "trueline promote"))
    return made


@pytest.mark.parametrize(("width", "is_table"), [(40, False), (60, False), (80, False), (160, True), (200, True)])
def test_it_reads_at_each_width(versions, capsys, monkeypatch, width, is_table):
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, _ = call(capsys, "history", "houses")
    lines = out.splitlines()
    assert (code, "┃" in out) == (0, is_table)
    assert max(map(len, lines)) <= width
    # No version, no date and no word is broken over lines.
    for text in (*versions, *WHY.split(), "trueline promote"):
        assert any(text in line for line in lines), text
    assert len(lines) <= 16
    if not is_table:
        assert [line for line in lines if not line.startswith(" ")] == [lines[0], lines[-4]]
        assert (lines[0][:2], lines[0].endswith("  promote")) == ("2 ", True)
        assert f"  champion  {versions[1]}" in lines
        # What an entry does not have has no line.
        assert sum(line.startswith("  why") for line in lines) == 1


@pytest.mark.parametrize("version", ["20260131-120000-482913", "champion", ""])
def test_a_version_has_no_history_of_its_own(versions, capsys, version):
    code, _, err = call(capsys, "history", f"houses:{version}")
    assert code == 2
    assert (
        f"Expected the name of a model: its history is that of all its versions. Received: 'houses:{version}'." in err
    )
    assert "trueline history houses" in err
