"""Ray Serve on ONNX Runtime, one replica: ``ray_onnx.py PORT FOLDER``."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Any

import ray
from onnx_network import matrix, open_session, run
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=1, max_ongoing_requests=100, ray_actor_options={"num_cpus": 0})
class Network:
    def __init__(self) -> None:
        self.session = open_session()

    async def __call__(self, request: Request) -> dict[str, Any]:
        values = run(self.session, matrix((await request.json())["rows"]))
        return {"predictions": [{"value": v} for v in values[:, 0].tolist()]}


def stop(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    ray.init(num_cpus=1, include_dashboard=False, object_store_memory=100_000_000, _temp_dir=sys.argv[2])
    try:
        serve.start(
            http_options={"host": "127.0.0.1", "port": int(sys.argv[1])}, logging_config={"enable_access_log": False}
        )
        serve.run(Network.bind(), route_prefix="/predict")
        signal.pause()
    finally:
        ray.shutdown()
