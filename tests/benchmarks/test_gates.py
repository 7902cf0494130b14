"""The benchmark of the gates: its worse candidates are 10% worse, and it says which limits are met."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import gates


@pytest.mark.parametrize(
    "change", [gates.noisy, lambda model, _: gates.blunt(model)], ids=["noise", "towards the mean"]
)
def test_worse_candidates_have_ten_percent_more_rmse(change):
    table = gates.diabetes()
    model = gates.fit(table, 1)
    truth, value = change(model, 1).calibration
    before = np.sqrt(np.mean(np.square(truth - model.calibration[1])))
    assert np.sqrt(np.mean(np.square(truth - value))) / before == pytest.approx(1.1, abs=0.04)


def test_it_prints_the_limits_beside_the_figures_and_fails_where_one_is_missed(tmp_path, capsys, monkeypatch):
    path = tmp_path / "gates.json"
    assert gates.main(["--candidates", "2", "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "| diabetes, out of fold | equal, other seeds | 0.0% |  | at most 5% | yes |" in printed
    assert len(json.loads(path.read_text())) == 6
    monkeypatch.setattr(gates, "refusing_gates", lambda *_: ["error"])
    assert gates.main(["--candidates", "1"]) == 1
    assert "| equal, other seeds | 100.0% | error 1 | at most 5% | no |" in capsys.readouterr().out
