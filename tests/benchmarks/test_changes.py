"""The comparison of two checkouts calls a figure worse if it is worse, and no other."""

import json

import numpy as np
import pytest

from benchmarks import changes
from benchmarks.changes import ratio
from benchmarks.changes_figures import GROUPS
from benchmarks.servers import ROOT


def test_ratio_is_above_1_where_the_new_one_is_worse():
    seconds = ratio([1.0, 1.1, 0.9], [2.0, 2.2, 1.8], higher_is_better=False)
    rates = ratio([1.0, 1.1, 0.9], [2.0, 2.2, 1.8], higher_is_better=True)
    assert seconds.mean == pytest.approx(2.0)
    assert rates.mean == pytest.approx(0.5)
    assert seconds.is_worse
    assert not rates.is_worse


def test_interval_is_that_of_student():
    scipy_stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    for n in (2, 20, 31, 60):
        old, new = np.exp(rng.normal(size=(2, n)))
        logs = np.log(new / old)
        half = scipy_stats.t.ppf(0.975, n - 1) * logs.std(ddof=1) / np.sqrt(n)
        change = ratio(list(old), list(new), higher_is_better=False)
        assert np.log(change.high / change.mean) == pytest.approx(half, rel=0.03)
        assert np.log(change.mean / change.low) == pytest.approx(half, rel=0.03)


def test_noise_alone_is_seldom_called_worse():
    rng = np.random.default_rng(1)
    noisy = [
        ratio(*np.exp(0.05 * rng.normal(size=(2, 20))).tolist(), higher_is_better=False).is_worse for _ in range(500)
    ]
    slower = [
        ratio(*np.exp(np.array([[0.0], [0.1]]) + 0.05 * rng.normal(size=(2, 20))).tolist(), higher_is_better=False)
        for _ in range(500)
    ]
    assert np.mean(noisy) < 0.025
    assert np.mean([change.is_worse for change in slower]) > 0.95


def test_report_names_what_is_worse():
    name, better = GROUPS["scoring"][0].name, GROUPS["serving"][0].name
    pairs = [({name: 1.0, better: 100.0}, {name: 1.1 + i / 100, better: 120.0}) for i in range(4)]
    lines, worse = changes.report(pairs)
    assert worse == [name]
    assert [line.split(" | ")[-1] for line in lines[2:]] == ["no |", "yes |"]


def test_two_checkouts_are_measured(tmp_path, capsys):
    out = tmp_path / "pairs.json"
    changes.main(["--old", str(ROOT), "--pairs", "2", "--only", "scoring", "--json", str(out)])
    assert f"| {GROUPS['scoring'][0].name} |" in capsys.readouterr().out
    pairs = json.loads(out.read_text())
    assert [set(pair) for pair in pairs] == [{"old", "new"}] * 2


def test_a_folder_that_is_no_checkout_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        changes.main(["--old", str(tmp_path)])
    assert "Expected a checkout of Trueline. Received:" in capsys.readouterr().err
