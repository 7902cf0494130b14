"""For any table: after training, saving, loading and serving, answers over HTTP equal those of the training process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from artifact.predictor import Predictor
from artifact.registry.entry import Statement
from artifact.registry.local import LocalRegistry
from service.app.app import App
from service.metrics.metrics import Metrics
from service.settings.settings import Settings
from service.worker import Worker
from training.devices.backend import load_backend
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.table.encode import records
from training.train import train

N_ROWS = 60
KINDS = st.sampled_from(["plain", "missing", "heavy", "offset", "integer", "constant", "boolean", "date"])


def column(kind: str, rng: np.random.Generator) -> Any:
    made = {
        "plain": lambda: rng.normal(size=N_ROWS),
        "missing": lambda: [None if r < 0.3 else r for r in rng.random(N_ROWS)],
        "heavy": lambda: rng.standard_cauchy(N_ROWS) ** 3,
        "offset": lambda: 1e9 + rng.random(N_ROWS),
        "integer": lambda: rng.integers(-5, 5, N_ROWS),
        "constant": lambda: np.ones(N_ROWS),
        "boolean": lambda: rng.random(N_ROWS) < 0.5,
        "date": lambda: np.datetime64("2020-01-01T00", "us") + rng.integers(0, 10**14, N_ROWS),
    }
    return made[kind]()


def table(kinds: list[str], n_categories: int, target: float, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {f"{kind} {i}": column(kind, rng) for i, kind in enumerate(kinds)}
    if n_categories:
        codes = rng.integers(0, n_categories + 1, N_ROWS)
        columns["категория"] = [None if code == 0 else f"'{code}' \\ \N{SNOWMAN}" for code in codes]
    return pl.DataFrame({**columns, "always": rng.normal(size=N_ROWS), "y": target * rng.normal(5, 1, N_ROWS)})


async def served(home: Path, body: dict[str, Any]) -> dict[str, Any]:
    worker = Worker(Settings(), LocalRegistry(home), Metrics(CollectorRegistry()))
    await worker.start()
    try:
        transport = httpx.ASGITransport(app=App(worker, inner_app))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            response = await client.post("/predict", json=body)
    finally:
        await worker.stop()
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def inner_app(*_: object) -> None:
    raise AssertionError("a prediction never reaches BentoML's app")


# Each example trains a network: so there are few, and failures are not shrunk.
@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    kinds=st.lists(KINDS, max_size=5),
    n_categories=st.integers(0, 5),
    target=st.sampled_from([1.0, 1e-9, 1e12]),
    seed=st.integers(0, 99),
)
def test_a_served_version_answers_as_the_training_process(tmp_path_factory, kinds, n_categories, target, seed):
    load_backend()
    home = tmp_path_factory.mktemp("home")
    frame = table(kinds, n_categories, target, seed)
    frame.write_parquet(home / "table.parquet")
    # Rows are held out without a refit, so that the measured network is served.
    config = TrainConfig(
        model="mlp", folds=1, repeats=1, refit=False, epochs=1, hidden=(8,), embedding_bins=4, seed=seed
    )
    request = Request(str(home / "table.parquet"), ("y",), "m", config)
    manifest = train(request, LocalRegistry(home))
    LocalRegistry(home).promote("m", statement=Statement(forced=("verdict",)))
    prepared = prepare(frame, request)
    test = prepared.frame[np.sort(prepared.plan.parts.test)]
    rows = records(test, prepared.schema.lenient())
    by_rows = asyncio.run(served(home, {"rows": rows}))
    columns = {name: [row[name] for row in rows] for name in prepared.schema.names}
    by_columns = asyncio.run(served(home, {"columns": columns}))
    value = np.array([p["value"] for p in by_rows["predictions"]])
    assert by_columns["columns"]["value"] == value.tolist()
    # The answers over HTTP equal, to the bit, those of the version to the rows as training encodes them.
    indices = np.sort(prepared.plan.parts.test)
    answer = Predictor.load(LocalRegistry(home).resolve("m").path).predict(prepared.rows(indices)[0])
    for name in ("value", "lower", "upper"):
        np.testing.assert_array_equal([p[name] for p in by_rows["predictions"]], getattr(answer, name)[:, 0])
    # Training measured the network before it was saved: the served one equals it within the export's parity.
    rmse = float(np.sqrt(np.mean(np.square(value - test["y"].to_numpy()))))
    assert rmse == pytest.approx(manifest.metrics["y"]["rmse"], rel=1e-5, abs=2e-5 * prepared.schema.targets[0].std)
