import os
import subprocess
import sys
import time
import tracemalloc

import pytest
from prometheus_client import CollectorRegistry, Histogram

from artifact.errors import Fault
from service.metrics.distribution import PENDING, Distribution
from service.metrics.exposition import render
from service.metrics.metrics import ROW_BUCKETS, Metrics


@pytest.fixture
def metrics():
    return Metrics(CollectorRegistry())


def test_a_distribution_is_what_observe_would_have_made():
    ours, theirs = (Histogram("h", "h", buckets=ROW_BUCKETS, registry=CollectorRegistry()) for _ in range(2))
    distribution = Distribution(ours, ROW_BUCKETS)
    for value in (0, 1, 1.5, 2, 7, 4096, 1e9):
        theirs.observe(value)
        distribution.add(value)
        if value == 2:
            distribution.flush()
    distribution.flush()
    distribution.flush()

    def samples(histogram):
        (metric,) = histogram.collect()
        return [(s.name, s.labels, s.value) for s in metric.samples if not s.name.endswith("_created")]

    assert samples(ours) == samples(theirs)


def test_counts_appear_at_the_flush_and_once(metrics):
    get = metrics.registry.get_sample_value
    for _ in range(3):
        metrics.request("/predict", 200, 0.002)
    metrics.request("/predict", 422, 0.002)
    metrics.batch(16, 0.0001)
    metrics.warnings(["unseen"])
    assert get("trueline_requests_total", {"route": "/predict", "status": "200"}) is None
    for _ in range(2):
        metrics.flush()
    assert get("trueline_requests_total", {"route": "/predict", "status": "200"}) == 3
    assert get("trueline_requests_total", {"route": "/predict", "status": "422"}) == 1
    assert get("trueline_request_duration_seconds_count", {"route": "/predict"}) == 4
    assert get("trueline_rows_total") == 16
    assert get("trueline_batch_rows_sum") == 16
    assert get("trueline_inference_duration_seconds_count") == 1
    assert get("trueline_warnings_total", {"kind": "unseen"}) == 1


def test_failures_are_labelled_by_features_and_nothing_a_client_makes_up(metrics):
    faults = [Fault(0, f"made-up-{i}", "m", 1, "unknown") for i in range(50)]
    faults += [Fault(0, "age", "m", "x", "type"), Fault(None, None, "m", 1, "type")]
    metrics.faults(faults, frozenset(["age"]))
    counts = {
        (s.labels["reason"], s.labels["field"]): s.value
        for metric in metrics.registry.collect()
        for s in metric.samples
        if s.name == "trueline_validation_failures_total"
    }
    assert counts == {("unknown", "unknown"): 50, ("type", "age"): 1, ("type", ""): 1}


def test_the_live_version_is_the_one_with_1(metrics):
    get = metrics.registry.get_sample_value
    metrics.went_live("houses", "1")
    metrics.went_live("houses", "2")
    metrics.load_failed()
    assert get("trueline_model_info", {"model_name": "houses", "model_version": "1"}) == 0
    assert get("trueline_model_info", {"model_name": "houses", "model_version": "2"}) == 1
    assert get("trueline_model_loads_total", {"result": "ok"}) == 2
    assert get("trueline_model_loads_total", {"result": "failed"}) == 1


WORKER = """
import sys, time
from prometheus_client import CollectorRegistry
from service.metrics.metrics import Metrics
metrics = Metrics(CollectorRegistry())
metrics.went_live("houses", "1")
metrics.queue(5)
for _ in range(int(sys.argv[1])):
    metrics.request("/predict", 200, 0.001)
metrics.flush()
print("ready", flush=True)
sys.stdin.read()
"""


def start_worker(folder, count):
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(count)],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"ready\n"
    return process


def test_workers_are_summed_and_the_dead_do_not_break_the_scrape(tmp_path):
    workers = [start_worker(tmp_path, count) for count in (3, 4)]

    def scrape():
        return render(CollectorRegistry(), tmp_path).decode().splitlines()

    text = scrape()
    assert 'trueline_requests_total{route="/predict",status="200"} 7.0' in text
    assert "trueline_queue_rows 10.0" in text
    assert sum("trueline_model_info{" in line for line in text) == 2
    workers[0].kill()
    workers[0].communicate()
    (tmp_path / "counter_999999.db").touch()
    (tmp_path / "histogram_999998.db").write_bytes(b"\x10\x00")
    (tmp_path / "gauge_livesum_999997.db").write_bytes(os.urandom(64))
    started = time.perf_counter()
    text = scrape()
    assert time.perf_counter() - started < 1
    assert 'trueline_requests_total{route="/predict",status="200"} 7.0' in text
    assert "trueline_queue_rows 5.0" in text
    assert sum("trueline_model_info{" in line for line in text) == 1
    workers[1].communicate()


def test_waits_memory_and_processor_time(metrics):
    get = metrics.registry.get_sample_value
    metrics.queue_wait(0.0002)
    metrics.process()
    metrics.flush()
    assert get("trueline_queue_wait_seconds_bucket", {"le": "0.00025"}) == 1
    assert get("trueline_queue_wait_seconds_bucket", {"le": "0.0001"}) == 0
    assert get("trueline_process_resident_memory_bytes") > 2**20
    first = get("trueline_process_cpu_seconds_total")
    sum(i * i for i in range(100_000))
    metrics.process()
    assert get("trueline_process_cpu_seconds_total") > first > 0


def test_counts_do_not_pile_up_where_flushes_are_rare(metrics):
    tracemalloc.start()
    for _ in range(10 * PENDING):
        metrics.queue_waits([time.perf_counter()])
        metrics.request("/predict", 200, time.perf_counter())
        metrics.batch(1, time.perf_counter())
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 4 * PENDING * 40  # three lists of numbers, and one that is being sorted
    metrics.flush()
    get = metrics.registry.get_sample_value
    assert get("trueline_requests_total", {"route": "/predict", "status": "200"}) == 10 * PENDING
    assert get("trueline_queue_wait_seconds_count") == get("trueline_batch_rows_count") == 10 * PENDING
