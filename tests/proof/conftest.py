"""Fixtures of the service's own tests."""

from tests.service.conftest import log

__all__ = ["log"]
