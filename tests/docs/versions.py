"""``python -m tests.docs.versions``: make versions with the features of the pages' models, without training."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from artifact.registry.local import LocalRegistry
from artifact.rows.schema import FeatureSchema
from tests.builders import build_schema, build_version
from training.table.corrections import Corrections
from training.table.data import read_table
from training.table.infer import fit_categories, infer_features
from trueline.houses import COLUMNS, houses_csv


def schema_of(model: str) -> FeatureSchema:
    """The schema of a model of the pages, as training decides it from the table that ``trueline example`` writes.

    Args:
        model: ``houses``, ``two``, which has two targets, or ``numbers``, which has no categories and no dates.
    """
    targets = ("price", "area") if model == "two" else ("price",)
    dropped = (*targets, *(("sold", "town", "street", "heating") if model == "numbers" else ()))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "houses.csv"
        file.write_text(houses_csv(), encoding="utf-8")
        table = read_table(str(file))
    inferred = infer_features(table, [name for name in COLUMNS if name not in dropped], Corrections())
    return build_schema(fit_categories(inferred.features, inferred.frame, Corrections()), targets)


def build(registry: LocalRegistry, models: Sequence[str] = ("houses", "two", "numbers")) -> None:
    """Make a champion of each model."""
    for model in models:
        build_version(registry, name=model, promote=True, schema=schema_of(model))


if __name__ == "__main__":
    build(LocalRegistry.from_environment(os.environ))
