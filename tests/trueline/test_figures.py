"""Figures agree with each other, and say which model and which rows they are about."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from artifact.manifest import REPORT
from artifact.registry.local import LocalRegistry
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.train import train
from trueline.main import run
from trueline.terminal.tables import result_tables


def rows(n: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    town = rng.choice(["Leeds", "York", "Hull"], n)
    return pl.DataFrame({"x": x, "z": z, "town": town, "y": x + z**2 + (town == "Hull") + rng.normal(0, 0.3, n)})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def output_of(manifest) -> tuple[list[list[str]], list[str]]:
    """The rows of the result's table, and the sentences below it."""
    parts = list(result_tables(manifest))
    columns = [list(column.cells) for part in parts if not isinstance(part, str) for column in part.columns]
    return [list(map(str, row)) for row in zip(*columns, strict=True)], [p for p in parts if isinstance(p, str)]


@pytest.mark.parametrize("family", ["ridge", "lasso", "elastic-net", "polynomial", "stepwise", "linear"])
def test_a_line_prints_its_own_figures_beside_the_baseline_of_its_name(family, home):
    """3.034 was printed where 3.310 is true: the row of the comparison took the place of the version's."""
    rows(200, 0).write_parquet(home / "t.parquet")
    manifest = train(
        Request(str(home / "t.parquet"), ("y",), "m", TrainConfig(model=family, folds=3)), LocalRegistry(home)
    )
    own = manifest.metrics["y"]["rmse"]
    table, sentences = output_of(manifest)
    names = [row[0] for row in table]
    assert len(set(names)) == len(names) == 1 + len(manifest.baselines)
    (mine,) = [row for row in table if row[0].startswith(family) and "baseline" not in row[0]]
    assert float(mine[1]) == pytest.approx(own, rel=1e-3)
    same = family.replace("-", "_")
    if same in manifest.baselines:
        assert mine[0] == f"{family} (this version)"
        (other,) = [row for row in table if row[0] == f"{same} (baseline)"]
        assert float(other[1]) == pytest.approx(manifest.baselines[same]["y"]["rmse"], rel=1e-3)
    # A ridge is not called a network.
    (verdict,) = [sentence for sentence in sentences if sentence.startswith("Is this model worth it here? ")]
    assert "network" not in verdict
    page = (LocalRegistry(home).resolve("m").path / REPORT / "report.html").read_text(encoding="utf-8")
    assert mine[0] in page
    assert mine[1] in page


@pytest.fixture
def ridge(home):
    rows(400, 0).write_csv(home / "t.csv")
    manifest = train(
        Request(str(home / "t.csv"), ("y",), "m", TrainConfig(model="ridge", folds=3)), LocalRegistry(home)
    )
    return f"m:{manifest.model_version}"


def evaluated(capsys, path: Path) -> tuple[dict, str]:
    assert run(["evaluate", "m", str(path), "--json"]) == 0
    captured = capsys.readouterr()
    return json.loads(captured.out.splitlines()[-1])["trained_on"], captured.err


def test_evaluate_says_so_where_the_rows_trained_the_version(home, ridge, capsys):
    trained_on, err = evaluated(capsys, home / "t.csv")
    assert trained_on == {"same_table": True, "share": 1.0}
    assert f"Note: The figures are too good: this is the table that trained {ridge}." in err
    assert f"trueline show {ridge}" in err


def test_evaluate_finds_training_rows_among_others(home, ridge, capsys):
    """Similar tables: a part of it in another order and format, and the table with new rows below it."""
    rows(400, 0)[100:200].sample(fraction=1, shuffle=True, seed=1).write_parquet(home / "part.parquet")
    trained_on, err = evaluated(capsys, home / "part.parquet")
    assert not trained_on["same_table"]
    assert trained_on["share"] == pytest.approx(1.0, abs=0.25)
    assert "of these rows are equal, in every feature, to rows of the table that trained" in err
    pl.concat([rows(400, 0)[:100], rows(300, 7)]).write_csv(home / "mixed.csv")
    trained_on, _ = evaluated(capsys, home / "mixed.csv")
    assert trained_on["share"] == pytest.approx(0.25, abs=0.1)


def test_evaluate_on_new_rows_has_no_such_note(home, ridge, capsys):
    rows(300, 7).write_csv(home / "new.csv")
    trained_on, err = evaluated(capsys, home / "new.csv")
    assert trained_on == {"same_table": False, "share": 0.0}
    assert "too good" not in err
