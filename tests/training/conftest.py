"""Helpers of the training tests: small tables with every kind of feature, and one trained version a session."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from artifact.manifest import Manifest
from artifact.registry.local import LocalRegistry
from tests.conftest import WITHOUT_TENSORFLOW
from training.devices.backend import load_backend
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.train import train


def mixed_table(n: int = 240, seed: int = 0) -> pl.DataFrame:
    """A table with each kind of feature, missing values, and a target that depends on them."""
    rng = np.random.default_rng(seed)
    area = rng.uniform(20, 200, n).round(1)
    rooms = rng.integers(1, 8, n)
    town = rng.choice(["Leeds", "York", "Hull", "Bath"], n, p=[0.4, 0.3, 0.2, 0.1])
    garden = rng.random(n) < 0.4
    sold = [datetime(2021, 1, 1) + timedelta(days=int(d), hours=int(h)) for d, h in rng.integers(0, 24, (n, 2)) * 37]
    price = 1000 * area + 5000 * rooms + 30_000 * (town == "Bath") + 8000 * garden + rng.normal(0, 4000, n)
    return pl.DataFrame(
        {
            "area": [None if i % 11 == 0 else float(a) for i, a in enumerate(area)],
            "rooms": rooms,
            "postcode": [f"0{i % 7}" for i in range(n)],
            "town": [None if i % 17 == 0 else str(t) for i, t in enumerate(town)],
            "garden": garden,
            "sold": sold,
            "price": price.round(),
        }
    )


def wavy_table(n: int = 600) -> pl.DataFrame:
    """Two numbers and a category, and a target that no line follows, with noise of 0.3."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, n))
    town = rng.choice(["Leeds", "York"], n)
    noise = rng.normal(0, 0.3, n)
    return pl.DataFrame({"a": a, "b": b, "town": town, "y": np.sin(2 * a) + a * b + (town == "York") + noise})


class Trained(NamedTuple):
    """A version trained on :func:`mixed_table`."""

    registry: LocalRegistry
    manifest: Manifest
    folder: Path
    data: Path


@pytest.fixture(scope="module", autouse=True)
def _backend(request: pytest.FixtureRequest) -> None:
    if request.path.relative_to(request.config.rootpath).as_posix() not in WITHOUT_TENSORFLOW:
        load_backend()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    home = tmp_path_factory.mktemp("trained")
    data = home / "houses.csv"
    mixed_table().write_csv(data)
    registry = LocalRegistry(home)
    config = TrainConfig(model="mlp", folds=3, repeats=1, epochs=15, hidden=(32,), embedding_bins=8)
    manifest = train(Request(str(data), ("price",), "houses", config), registry)
    return Trained(registry, manifest, registry.resolve("houses").path, data)
