"""The network of every server in the benchmark: 13 features, two layers of 128, random weights.

Its speed does not depend on its weights, so nothing is trained; its answers do, so that servers can be compared.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import onnx

from artifact.manifest import ONNX_MODEL
from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from tests.builders import build_schema, build_version, plain_features, sample_rows

MODEL_NAME = "benchmark"
N_FEATURES = 13
HIDDEN = (128, 128)
N_BODIES = 500


class Network(NamedTuple):
    """The network that the servers serve, and the requests that they get.

    Attributes:
        home: BentoML home with the network as champion, for Trueline.
        onnx: the same version's ``model.onnx``, for the peers.
        rows: rows of the requests, from feature name to value.
        bodies: JSON requests of one row each.
        values: the network's answer to each row.
    """

    home: Path
    onnx: Path
    rows: list[dict[str, float]]
    bodies: list[str]
    values: list[float]


def build(folder: Path, graph: onnx.ModelProto | None = None) -> Network:
    """Write the network, or ``graph`` with as many features, into ``folder``, and draw the rows."""
    home = folder / "home"
    schema = build_schema(plain_features(N_FEATURES), targets=("y",))
    options = {"name": MODEL_NAME, "schema": schema, "hidden": HIDDEN, "promote": True, "graph": graph}
    version = build_version(LocalRegistry(home), **options)
    rows = [{name: round(value, 4) for name, value in row.items()} for row in sample_rows(schema, N_BODIES)]
    answers = Predictor.load(version.path).predict_rows(rows)
    bodies = [json.dumps({"rows": [row]}) for row in rows]
    return Network(home, version.path / ONNX_MODEL, rows, bodies, [float(v) for v in answers.value[:, 0]])
