"""``grpc.health.v1.Health``, for probes of Kubernetes and gRPC clients with health checks on the gRPC port.

Its two messages have one field each, a text and a number. On the wire they are equal to protobuf's own wrappers of a
text and a number, which are used here.
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
    """Tells the health of the whole server, whose name is empty, and of each of its services.

    Args:
        services: full names of the services.
    """

    def __init__(self, *services: str) -> None:
        self._services = ("", *services)
        self._end = asyncio.Event()

    async def check(self, worker: Worker, request: StringValue) -> UInt32Value:
        """Whether the service is ready, as ``GET /readyz`` says.

        Raises:
            UnknownModelError: there is no such service; gRPC's status is NOT_FOUND.
        """
        if request.value not in self._services:
            raise UnknownModelError(unknown_name("service", request.value, self._services[1:]))
        return UInt32Value(value=self._status(worker, request.value))

    async def watch(self, worker: Worker, request: StringValue) -> AsyncIterator[UInt32Value]:
        """Yield the status, and again whenever it changes; when the server ends, the last status is NOT_SERVING."""
        last = None
        while not self._end.is_set():
            status = self._status(worker, request.value)
            if status != last:
                last = status
                yield UInt32Value(value=status)
            try:
                await asyncio.wait_for(self._end.wait(), _LOOK_SECONDS)
            except TimeoutError:
                continue
        if last == SERVING:
            yield UInt32Value(value=NOT_SERVING)

    def end(self) -> None:
        """End all watches."""
        self._end.set()

    def _status(self, worker: Worker, service: str) -> int:
        if service not in self._services:
            return SERVICE_UNKNOWN
        return SERVING if not self._end.is_set() and worker.is_ready() else NOT_SERVING
