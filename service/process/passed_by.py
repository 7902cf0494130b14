"""Settings of BentoML that Trueline's request path passes by, and what does the same here.

A request is answered by Trueline's own app; what BentoML puts around each request never runs. Whoever sets it should
read so in the log, once, and not find out in production.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# A setting, or a branch of them, and what to do instead. The first whose name fits is taken.
_PASSED_BY = (
    ("http.ssl", "Move it to services.trueline.ssl."),
    ("http.cors", "Set TRUELINE_CORS_ORIGINS."),
    ("http.response.trace_id", "Answers bring an X-Request-ID, see TRUELINE_REQUEST_IDS."),
    ("traffic.timeout", "Set TRUELINE_DEADLINE_SECONDS."),
    ("traffic.max_concurrency", "Set TRUELINE_MAX_REQUESTS."),
    ("traffic", "Set TRUELINE_MAX_REQUESTS and TRUELINE_MAX_QUEUE_ROWS."),
    ("metrics", "Metrics have Trueline's own names, and /metrics is always there."),
    ("logging", "Set TRUELINE_ACCESS_LOG and TRUELINE_LOG_FORMAT."),
    ("threads", "Set TRUELINE_THREADS."),
    ("grpc", "Set TRUELINE_GRPC_PORT and TRUELINE_GRPC_HOST."),
    ("endpoints", "The paths are /livez, /readyz and /healthz."),
    ("monitoring", "Trueline counts in /metrics."),
    ("runner_probe", "/readyz says whether every worker is ready."),
    ("max_runner_connections", "The service has no runners."),
    ("runner_connection", "The service has no runners."),
    ("replicate_process", "Set TRUELINE_WORKERS."),
    ("extra_ports", "Set TRUELINE_GRPC_PORT."),
)
# Names of no service below `services`: they hold for all of them. What is in neither list is taken as BentoML has it.
_HONOURED = ("backlog", "http", "resources", "ssl", "tracing", "workers")
_VARIABLES = {"BENTOML_API_WORKERS": "Set TRUELINE_WORKERS.", "BENTOML_TIMEOUT": "Set TRUELINE_DEADLINE_SECONDS."}


def sentences(name: str, environ: Mapping[str, str]) -> list[str]:
    """One sentence for each setting that was changed and has no effect; BentoML's configuration is loaded already.

    Args:
        name: the service's.
        environ: where BentoML finds settings of its command.
    """
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.configuration.helpers import get_default_config

    found = list(of_configuration(name, BentoMLContainer.config.services.get(), get_default_config(2)["services"]))
    found += [_sentence(variable, advice) for variable, advice in _VARIABLES.items() if environ.get(variable)]
    return found


def of_configuration(name: str, services: Mapping[str, Any], default: Mapping[str, Any]) -> Iterator[str]:
    """The sentences for BentoML's section ``services``.

    Args:
        name: the service's.
        services: as it was loaded: settings of all services, and of each by its name.
        default: the same without anything set.
    """
    branches = {branch.partition(".")[0] for branch, _ in _PASSED_BY}
    for other in services:
        if other in default or other == name or other in branches or other in _HONOURED:
            continue
        for setting in _changed(services[other], default):
            yield (
                f"Unknown service '{other}' in BentoML's configuration; this one is '{name}'. "
                f"{_sentence(f'services.{other}.{setting}', _advice(setting) or f'Move it to services.{name}.')}"
            )
    for setting in _changed(services.get(name, {}), default):
        advice = _advice(setting)
        if advice is not None:
            yield _sentence(f"services.{name}.{setting}", advice)


def _changed(found: Any, default: Any, path: str = "") -> Iterator[str]:
    """The names of the leaves that are not as they were by default."""
    if isinstance(found, Mapping) and (isinstance(default, Mapping) or default is None):
        for key, value in found.items():
            yield from _changed(value, (default or {}).get(key), f"{path}.{key}" if path else str(key))
    elif found != default:
        yield path


def _advice(setting: str) -> str | None:
    for branch, advice in _PASSED_BY:
        if setting == branch or setting.startswith(f"{branch}."):
            return advice
    return None


def _sentence(setting: str, advice: str) -> str:
    return f"BentoML's setting {setting} has no effect here. {advice}"
