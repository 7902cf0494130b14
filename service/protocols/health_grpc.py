"""``grpc.health.v1.Health``: what a probe of Kubernetes or a gRPC client with health checks asks on the gRPC port.

The two messages have one field each, a text and a number, and look on the wire as protobuf's own wrappers of the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from google.protobuf.wrappers_pb2 import StringValue, UInt32Value

from artifact.errors import unknown_name
from service.wire.errors import UnknownModelError
from service.worker import Worker

HEALTH = "grpc.health.v1.Health"
HEALTH_REQUEST = "HealthCheckRequest"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
_LOOK_SECONDS = 0.5


class Health:
    """Answers for the server as a whole, whose name is empty, and for each of its services.

    Args:
        services: full names of the services.
    """

    def __init__(self, *services: str) -> None:
        self._services = ("", *services)
        self._ended = asyncio.Event()

    async def check(self, worker: Worker, request: StringValue) -> UInt32Value:
        """Whether the service is ready, as ``GET /readyz`` says.

        Raises:
            UnknownModelError: there is no such service; gRPC's status is NOT_FOUND.
        """
        if request.value not in self._services:
            raise UnknownModelError(unknown_name("service", request.value, self._services[1:]))
        return UInt32Value(value=self._status(worker, request.value))

    async def watch(self, worker: Worker, request: StringValue) -> AsyncIterator[UInt32Value]:
        """The status, and again whenever it changes; the last one where the server ends is that it does not serve."""
        told = None
        while not self._ended.is_set():
            status = self._status(worker, request.value)
            if status != told:
                told = status
                yield UInt32Value(value=status)
            try:
                await asyncio.wait_for(self._ended.wait(), _LOOK_SECONDS)
            except TimeoutError:
                continue
        if told == SERVING:
            yield UInt32Value(value=NOT_SERVING)

    def end(self) -> None:
        """Have those who watch come to an end."""
        self._ended.set()

    def _status(self, worker: Worker, service: str) -> int:
        if service not in self._services:
            return SERVICE_UNKNOWN
        return SERVING if not self._ended.is_set() and worker.is_ready() else NOT_SERVING
