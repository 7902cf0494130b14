"""Trueline: a table in, a live prediction API out.

``import trueline`` loads nothing that is slow: each name below loads what it needs when it is first used.

Example:
    >>> import trueline
    >>> model = trueline.train("houses.csv", target="price")
    >>> model.predict("new.csv")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from trueline.own_packages import take_names

if TYPE_CHECKING:
    from artifact.errors import ArtifactError as ArtifactError
    from artifact.errors import DataError as DataError
    from artifact.errors import NotFoundError as NotFoundError
    from artifact.errors import RefusedError as RefusedError
    from artifact.errors import TruelineError as TruelineError
    from artifact.registry.local import LocalRegistry
    from trueline.api.functions import compare as compare
    from trueline.api.functions import evaluate as evaluate
    from trueline.api.functions import history as history
    from trueline.api.functions import load as load
    from trueline.api.functions import rollback as rollback
    from trueline.api.functions import train as train
    from trueline.api.model import Model as Model
    from trueline.evaluation import Evaluation as Evaluation
    from trueline.gates.promote import Judgement as Judgement
    from trueline.regressor import TruelineRegressor as TruelineRegressor
    from trueline.retrain.reproduce import Reproduction as Reproduction

    Registry = LocalRegistry

take_names()

# Public names, and the modules that hold them.
_HOMES = {
    "ArtifactError": "artifact.errors",
    "DataError": "artifact.errors",
    "Evaluation": "trueline.evaluation",
    "Judgement": "trueline.gates.promote",
    "Model": "trueline.api.model",
    "NotFoundError": "artifact.errors",
    "RefusedError": "artifact.errors",
    "Registry": "artifact.registry.local",
    "Reproduction": "trueline.retrain.reproduce",
    "TruelineError": "artifact.errors",
    "TruelineRegressor": "trueline.regressor",
    "compare": "trueline.api.functions",
    "evaluate": "trueline.api.functions",
    "history": "trueline.api.functions",
    "load": "trueline.api.functions",
    "rollback": "trueline.api.functions",
    "train": "trueline.api.functions",
}
# Public names that have another name in their module: Registry is the registry of this machine.
_OWN_NAMES = {"Registry": "LocalRegistry"}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    """A public name, imported from its module when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), _OWN_NAMES.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names among the others."""
    return sorted({*globals(), *__all__})
