"""``python -m tests.docs.versions``: make versions with the features of the pages' models, without training."""

from __future__ import annotations

import os

from artifact.registry.local import LocalRegistry
from artifact.rows.schema import Feature
from tests.builders import build_schema, build_version

NAMES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
# Wide enough for every value of the examples but an age of 95.
FEATURES = [
    Feature(name=name, kind="number", minimum=low, maximum=high, example=25.0)
    for name in NAMES
    for low, high in [(19, 79) if name == "age" else (0, 500)]
]


def build(registry: LocalRegistry) -> None:
    """``diabetes`` with one target, ``two`` with two; both are champions."""
    build_version(registry, name="diabetes", promote=True, schema=build_schema(FEATURES, ("target",)))
    others = [feature for feature in FEATURES if feature.name != "bp"]
    build_version(registry, name="two", promote=True, schema=build_schema(others, ("target", "bp")))


if __name__ == "__main__":
    build(LocalRegistry.from_environment(os.environ))
