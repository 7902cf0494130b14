"""The environment of the process: the model store that it names, and whether packages are installed."""

from __future__ import annotations

import importlib.util
import os

from artifact.errors import DataError, install_extra
from artifact.registry.base import Registry
from artifact.registry.choose import open_registry


def registry() -> Registry:
    """The model store that BentoML uses too: ``BENTOML_HOME``, or ``~/bentoml``."""
    return open_registry(os.environ)


def need_training(feature: str, *modules: str) -> None:
    """Check that the packages of the training extra that ``feature`` uses are installed; a service needs none.

    Raises:
        DataError: a package is missing.
    """
    if any(importlib.util.find_spec(name) is None for name in modules):
        raise DataError(f"Expected the training extra for '{feature}'. Install it: {install_extra('training')}.")
