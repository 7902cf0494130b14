"""The registry that an environment names."""

from __future__ import annotations

from collections.abc import Mapping

from artifact.registry.base import Registry
from artifact.registry.local import LocalRegistry


def open_registry(environ: Mapping[str, str]) -> Registry:
    """The registry in the model store that BentoML uses too: ``BENTOML_HOME``, or ``~/bentoml``."""
    return LocalRegistry.from_environment(environ)
