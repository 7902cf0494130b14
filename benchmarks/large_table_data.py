"""A table of any size for :mod:`benchmarks.large_table`: seeded, made in blocks, nonlinear in its 50 features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

N_FLOATS, N_INTEGERS = 44, 2
CATEGORIES = {"shop": 8, "product": 40, "town": 200}
# Every fifth column of numbers is missing in 5% of the rows.
_MISSING_EACH, _MISSING = 5, 0.05
_NOISE = 0.6
# Rows of a row group.
BLOCK = 131_072
_DAY0, _DAYS = np.datetime64("2022-01-01", "s"), 1_200


def write_table(path: Path, n_rows: int, seed: int) -> None:
    """Write the table; the memory that this takes does not depend on the number of rows.

    Args:
        path: Parquet file to write.
        n_rows: number of rows.
        seed: seed of the rows; the target depends on them in the same way for each seed.
    """
    writer = None
    for block, start in enumerate(range(0, n_rows, BLOCK)):
        rows = pa.table(_block(min(BLOCK, n_rows - start), np.random.default_rng([seed, block])))
        if writer is None:
            writer = pq.ParquetWriter(path, rows.schema, compression="zstd", compression_level=1)
        writer.write_table(rows)
    if writer is not None:
        writer.close()


def _block(n: int, rng: np.random.Generator) -> dict[str, Any]:
    floats = rng.standard_normal((N_FLOATS, n), dtype=np.float32)
    integers = rng.poisson(4, (N_INTEGERS, n))
    codes = {name: (rng.random(n) ** 2 * count).astype(np.int64) for name, count in CATEGORIES.items()}
    seconds = rng.integers(0, _DAYS * 86_400, n)
    y = _target(floats, integers, codes, seconds) + rng.normal(0, _NOISE, n)
    columns: dict[str, Any] = {}
    for j, values in enumerate(floats):
        absent = rng.random(n) < _MISSING if j % _MISSING_EACH == 0 else None
        columns[f"x{j:02}"] = pa.array(values, mask=absent)
    columns |= {f"n{j}": values for j, values in enumerate(integers)}
    for name, values in codes.items():
        words = pa.array([f"{name} {i}" for i in range(CATEGORIES[name])])
        columns[name] = pa.DictionaryArray.from_arrays(pa.array(values, pa.int32()), words)
    columns["sold"] = pa.array(_DAY0 + seconds.astype("timedelta64[s]"))
    columns["y"] = y
    return columns


def _target(
    x: npt.NDArray[np.float32],
    n: npt.NDArray[np.int64],
    codes: dict[str, npt.NDArray[np.int64]],
    seconds: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Waves, products, steps, an effect of each category, a season; half of the numbers have no effect."""
    effects = np.random.default_rng(2026)
    of_category = {name: effects.normal(0, 1, count) for name, count in CATEGORIES.items()}
    weights = effects.normal(0, 0.3, 12)
    y = (weights[:, None] * x[:12]).sum(axis=0)
    y += np.sin(2 * x[0]) + 0.8 * x[1] * x[2] + np.abs(x[3]) + 0.7 * (x[4] > 0.5) * x[5]
    y += 0.5 * np.maximum(x[6], x[7]) * np.cos(x[8]) + 0.3 * np.square(x[9]) * np.tanh(x[10])
    y += np.sqrt(n[0]) + 0.4 * (n[1] > 5) * x[11]
    y += sum(0.6 * of_category[name][values] for name, values in codes.items())
    y += 0.5 * of_category["shop"][codes["shop"]] * x[12]
    return np.asarray(y + 0.5 * np.sin(2 * np.pi * seconds / (365.25 * 86_400)), np.float64)
