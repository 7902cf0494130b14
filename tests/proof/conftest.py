"""Fixtures that the service's own tests have."""

from tests.service.conftest import log

__all__ = ["log"]
