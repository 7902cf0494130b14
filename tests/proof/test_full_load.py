"""Every answer of a service at full load is the Predictor's, row by row and to the last bit, in every format."""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
from collections import Counter
from pathlib import Path

from artifact.predictor import Predictor
from tests.builders import sample_rows
from tests.service.protocols.bodies import BODIES, answers
from tests.service.test_faults import served

CLIENTS = 8
REQUESTS = 60


def test_every_row_under_full_load_is_the_predictors(tmp_path: Path) -> None:
    with served(tmp_path, TRUELINE_WORKERS="2", TRUELINE_DEADLINE_SECONDS="60") as server:
        predictor = Predictor.load(server.registry.resolve("houses").path)
        # Each client has rows of its own, so it would notice the answers of another.
        rows = [sample_rows(predictor.schema, 400, seed=i) for i in range(CLIENTS)]
        expected = [predictor.predict_rows(table) for table in rows]
        outcomes: Counter[object] = Counter()
        together = threading.Barrier(CLIENTS)

        def client(i: int) -> None:
            rng = random.Random(i)
            together.wait()
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
                for _ in range(REQUESTS):
                    name = rng.choice(list(BODIES))
                    media_type, body_of = BODIES[name]
                    n = rng.choice((1, 1, 1, 7, 300))
                    start = rng.randrange(400 - n + 1)
                    connection.request(
                        "POST", "/predict", body_of(rows[i][start : start + n]), {"Content-Type": media_type}
                    )
                    response = connection.getresponse()
                    body = response.read()
                    if response.status == 429:
                        outcomes[429] += 1
                        continue
                    assert response.status == 200, body[:300]
                    for end, answer in answers(media_type, body).items():
                        right = getattr(expected[i], end)[start : start + n, 0].tolist()
                        outcomes["right" if answer == right else f"wrong {name} {end}"] += n

        failures: list[BaseException] = []

        def watched(i: int) -> None:
            try:
                client(i)
            except BaseException as error:  # noqa: BLE001 - told below, in the test's own thread
                failures.append(error)

        threads = [threading.Thread(target=watched, args=(i,)) for i in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert set(outcomes) <= {"right", 429}, outcomes
        assert outcomes["right"] > 10_000
        assert "Traceback" not in server.log.read_text()
