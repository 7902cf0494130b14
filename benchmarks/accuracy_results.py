"""Measurements of the accuracy benchmark, stored when they are made so that a stopped run goes on; and their tables."""

from __future__ import annotations

import json
import statistics
import threading
from pathlib import Path

from benchmarks.accuracy_tables import Table

Measured = dict[str, float]


class Results:
    """Measurements by table, model and split.

    Args:
        path: JSON file with every measurement, which is read first if it exists; None: no file.
        machine: the machine, from :func:`benchmarks.machine.describe`.
    """

    def __init__(self, path: Path | None, machine: str) -> None:
        self._path, self._lock = path, threading.Lock()
        stored = json.loads(path.read_text()) if path and path.exists() else {"machines": [], "tables": {}}
        self._machines: list[str] = stored["machines"]
        self._tables: dict[str, dict[str, dict[str, Measured]]] = stored["tables"]
        self._machine = machine

    def has(self, table: str, model: str, split: int) -> bool:
        return str(split) in self._tables.get(table, {}).get(model, {})

    def add(self, table: str, model: str, split: int, measured: Measured) -> None:
        """Store a measurement and print its line."""
        with self._lock:
            self._tables.setdefault(table, {}).setdefault(model, {})[str(split)] = measured
            if self._machine not in self._machines:
                self._machines.append(self._machine)
            if self._path:
                new = self._path.with_name(f"{self._path.name}.new")
                new.write_text(json.dumps({"machines": self._machines, "tables": self._tables}, indent=1) + "\n")
                new.replace(self._path)
        more = "".join(f"  {name} {measured[name]:.3f}" for name in ("nll",) if name in measured)
        rmse, seconds = figure(measured["rmse"]), f"{measured['seconds']:.1f}"
        print(f"{table:18} split {split:2}  {model:32} RMSE {rmse:>8}  {seconds:>6} s{more}", flush=True)

    def show(self, table: Table) -> None:
        """Print a table of means over the splits that every model has, with the limits."""
        runs = self._tables.get(table.name, {})
        if not runs:
            return
        common = sorted(set.intersection(*(set(runs_of_model) for runs_of_model in runs.values())), key=int)
        print(f"\n{'; '.join(self._machines)}\n\n**{table.name}**, {len(common)} splits\n")
        if not common:
            print("No split has every model yet.")
            return
        print("| model | mean RMSE | asked | median fit, s | longest fit, s | asked |")
        print("| --- | --- | --- | --- | --- | --- |")
        common_runs = {model: [runs_of_model[split] for split in common] for model, runs_of_model in runs.items()}
        mean = {
            model: statistics.mean(run["rmse"] for run in runs_of_model) for model, runs_of_model in common_runs.items()
        }
        for model, rmse in sorted(mean.items(), key=lambda item: item[1]):
            seconds = [run["seconds"] for run in common_runs[model]]
            preset = model.removeprefix("trueline ") if model.startswith("trueline ") else ""
            cells = [model, figure(rmse), figure(table.limits.get(preset)), f"{statistics.median(seconds):.1f}"]
            cells += [f"{max(seconds):.1f}", figure(table.seconds.get(preset))]
            print(f"| {' | '.join(cells)} |")
        print()
        for model, runs_of_model in common_runs.items():
            if model.startswith("trueline "):
                _show_more(table, model, runs_of_model)


def _show_more(table: Table, model: str, runs: list[Measured]) -> None:
    covered, width = (statistics.mean(run[key] for run in runs) for key in ("coverage", "width"))
    constant = statistics.mean(run["constant_width"] for run in runs)
    scaled = ""
    if all("scaled_width" in run for run in runs):
        share = 1 - statistics.mean(run["scaled_width"] for run in runs) / constant
        scaled = f" ({share:.1%} where their scale is, too)"
    claimed = statistics.mean(run["claimed_rmse"] for run in runs)
    one = statistics.median(run["milliseconds"] for run in runs)
    print(
        f"{model}: 90% intervals cover {covered:.1%}, {1 - width / constant:.1%} narrower than constant width "
        f"fitted on the test rows{scaled}; "
        f"its report claims an RMSE of {figure(claimed)}; one row takes {one:.3f} ms."
    )
    if "nll" in runs[0]:
        nll = statistics.mean(run["nll"] for run in runs)
        print(f"{model}: negative log-likelihood {nll:.3f}; asked: at most {figure(table.nll)}.")


def figure(value: float | None) -> str:
    """A number as tables show it: without decimals from 100 on, else with three; empty for None."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3f}"
