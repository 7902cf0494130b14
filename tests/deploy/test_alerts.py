"""The alerts of deploy/prometheus, checked by promtool and by a real Prometheus that scrapes real services."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from prometheus_client import CollectorRegistry

from artifact.registry.entry import Statement
from service.metrics.metrics import Metrics
from tests.builders import build_schema, build_version, sample_rows
from tests.processes import ROOT, call, clean_environment, free_port, running
from tests.service.test_faults import served
from tests.service.test_live_server import COMMAND, Server, wait_for

FOLDER = ROOT / "deploy" / "prometheus"
RULES = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
CASES = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
NAMES = [rule["alert"] for rule in RULES]
# Days of an alert in hours of a test.
FASTER = 20
UNITS = {"m": 60, "h": 3600, "d": 86_400}
SELECTOR = re.compile(r"(?:up|trueline_\w+)(?:\{[^}]*\})?")

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="prometheus and promtool (Debian's package prometheus) are not installed",
)


def selectors() -> set[str]:
    return {selector for rule in RULES for selector in SELECTOR.findall(rule["expr"])}


@needs_prometheus
@pytest.mark.parametrize("command", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")])
def test_promtool_takes_the_rules_and_their_tests(command: tuple[str, ...]) -> None:
    result = subprocess.run(
        ["promtool", *command], cwd=FOLDER, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_alert_is_tested_on_series_that_set_it_off_and_on_series_that_do_not() -> None:
    expectations = [
        (one["alertname"], bool(one.get("exp_alerts"))) for case in CASES for one in case["alert_rule_test"]
    ]
    assert set(expectations) == {(name, fires) for name in NAMES for fires in (True, False)}


def test_the_metrics_and_labels_that_it_names_are_ones_that_the_service_has() -> None:
    metrics = Metrics(CollectorRegistry())
    collectors = [value for value in vars(metrics).values() if hasattr(value, "describe")]
    labels = {metric.name: set(getattr(c, "_labelnames", ())) for c in collectors for metric in c.describe()}
    for selector in selectors() - {"up"}:
        name, _, matchers = selector.partition("{")
        names = labels[re.sub(r"_(total|bucket|count)$", "", name)]
        assert set(re.findall(r"(\w+)(?:=|!)", matchers)) <= names, selector


class Prometheus:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path: str) -> Any:
        status, body = call(self.port, f"/api/v1/{path}")
        assert status == 200, body
        return json.loads(body)["data"]

    def query(self, expression: str) -> list[Any]:
        results: list[Any] = self.ask(f"query?query={quote(expression)}")["result"]
        return results

    def alerts(self, *states: str) -> set[tuple[str, str]]:
        """Name and job of each alert in one of these states."""
        active = self.ask("alerts")["alerts"]
        return {(a["labels"]["alertname"], a["labels"]["job"]) for a in active if a["state"] in states}


def faster(text: str) -> str:
    """The rules with a twentieth of each duration."""

    def shortened(match: re.Match[str]) -> str:
        return f"{match[1]}{int(match[2]) * UNITS[match[3]] // FASTER}s"

    return re.sub(r"(\[|offset |for: )(\d+)([mhd])", shortened, text)


@contextlib.contextmanager
def prometheus(folder: Path, **ports: int) -> Iterator[Prometheus]:
    """Scrapes a job a port, each second."""
    rules, config, port = folder / "alerts.yml", folder / "prometheus.yml", free_port()
    rules.write_text(faster((FOLDER / "alerts.yml").read_text()))
    jobs = [{"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for job, port in ports.items()]
    intervals = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config.write_text(json.dumps({"global": intervals, "rule_files": [str(rules)], "scrape_configs": jobs}))
    options = (f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}", "--log.level=warn")
    command = ["prometheus", *options, f"--web.listen-address=127.0.0.1:{port}"]
    with running(command, folder / "prometheus.log", clean_environment(folder)) as process:
        server = Prometheus(port)

        def is_up() -> bool:
            assert process.poll() is None, (folder / "prometheus.log").read_text()
            with contextlib.suppress(OSError, http.client.HTTPException):
                return call(port, "/-/ready")[0] == 200
            return False

        wait_for(is_up, 60)
        yield server


@contextlib.contextmanager
def without_a_model(folder: Path) -> Iterator[int]:
    """A real service of an empty store: live, not ready."""
    port, log = free_port(), folder / "empty.log"
    with running([*COMMAND, "--port", str(port)], log, clean_environment(folder / "empty")) as process:

        def is_live() -> bool:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(OSError, http.client.HTTPException):
                return call(port, "/livez")[0] == 200
            return False

        wait_for(is_live, 60)
        yield port


def holds(condition: Callable[[], bool], act: Callable[[], object]) -> None:
    """Act until something comes true."""

    def acted() -> bool:
        act()
        return condition()

    wait_for(acted, 60)


@needs_prometheus
def test_a_real_prometheus_is_quiet_on_a_good_day_and_calls_on_a_bad_one(tmp_path: Path) -> None:
    rows = sample_rows(build_schema(), 300)
    usual = json.dumps({"rows": rows})
    with (
        without_a_model(tmp_path) as empty,
        served(tmp_path) as server,
        prometheus(tmp_path, houses=server.port, empty=empty) as watching,
    ):

        def raised(alert: str, job: str) -> Callable[[], bool]:
            return lambda: (alert, job) in watching.alerts("pending", "firing")

        rules = watching.ask("rules")["groups"][0]["rules"]
        assert [rule["name"] for rule in rules] == NAMES
        # On a good day there are probes, and rows as in training.
        wait_for(lambda: len(watching.query("count_over_time(trueline_ready[1m]) > 3")) == 2, 60)
        for _ in range(20):
            assert server.post(usual)[0] == 200
            call(server.port, "/readyz")
            call(empty, "/readyz")
        holds(
            lambda: bool(watching.query('increase(trueline_rows_total{job="houses"}[15s]) > 200')),
            lambda: server.post(usual),
        )
        assert {a for a in watching.alerts("firing") if a[1] == "houses"} == set()
        assert {a for a in watching.alerts("pending", "firing") if a[0] != "TruelineDown"} <= {
            ("TruelineNotReady", "empty")
        }
        # Each series that a rule asks for exists, except those of events that have never happened.
        never = [s for s in selectors() if "5" in s or "validation_failures" in s]
        for selector in selectors() - set(never):
            assert watching.query(selector), selector
        # Then bad days follow, one after the other.
        wait_for(lambda: ("TruelineNotReady", "empty") in watching.alerts("firing"), 60)
        holds(raised("TruelineFaults", "empty"), lambda: call(empty, "/predict", usual))
        refusal = refuse_a_version(server)
        wait_for(raised("TruelineVersionRefused", "houses"), 60)
        # V25: the champion is deleted.
        shutil.rmtree(refusal)
        wait_for(raised("TruelineVersionMissing", "houses"), 60)
        wrong = json.dumps({"rows": [{**row, "rooms": "five"} for row in rows[:40]]})
        holds(raised("TruelineCallerBroke", "houses"), lambda: server.post(wrong))
        (caller_alert,) = [
            a for a in watching.ask("alerts")["alerts"] if a["labels"]["alertname"] == "TruelineCallerBroke"
        ]
        assert (caller_alert["labels"]["field"], caller_alert["labels"]["reason"]) == ("rooms", "type")
        old = json.dumps({"rows": [{**row, "age": 140} for row in rows]})
        holds(raised("TruelineDataMoved", "houses"), lambda: server.post(old))
        server.process.terminate()
        wait_for(lambda: ("TruelineDown", "houses") in watching.alerts("firing"), 60)
        for rule in watching.ask("rules")["groups"][0]["rules"]:
            assert rule["health"] == "ok", rule


def refuse_a_version(server: Server) -> Path:
    """Promote a version whose network is damaged, and return its folder."""
    damaged = build_version(server.registry, seed=3)
    (Path(damaged.path) / "model.onnx").write_bytes(b"damaged")
    server.registry.promote(f"houses:{damaged.version}", statement=Statement(forced=("verdict",)))
    return Path(damaged.path)
