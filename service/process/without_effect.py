"""Settings of BentoML that have no effect on Trueline's request path, and the settings that do the same here.

Trueline's own app answers requests, so BentoML's code around a request never runs. The log says once that such a
setting has no effect, so that nobody first learns it in production.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# A setting or a branch of settings, and what to do instead. The first entry whose name fits counts.
_WITHOUT_EFFECT = (
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
# Names below `services` that are not names of services: they hold for all services. Settings in neither list work as in
# BentoML.
_HONOURED = ("backlog", "http", "resources", "ssl", "tracing", "workers")
_VARIABLES = {"BENTOML_API_WORKERS": "Set TRUELINE_WORKERS.", "BENTOML_TIMEOUT": "Set TRUELINE_DEADLINE_SECONDS."}


def sentences(name: str, environ: Mapping[str, str]) -> list[str]:
    """One sentence for each setting that was changed and has no effect; BentoML's configuration is loaded already.

    Args:
        name: name of the service.
        environ: environment, in which BentoML finds settings of its command.
    """
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.configuration.helpers import get_default_config

    messages = list(of_configuration(name, BentoMLContainer.config.services.get(), get_default_config(2)["services"]))
    messages += [_sentence(variable, advice) for variable, advice in _VARIABLES.items() if environ.get(variable)]
    return messages


def of_configuration(name: str, services: Mapping[str, Any], default: Mapping[str, Any]) -> Iterator[str]:
    """The sentences for BentoML's section ``services``.

    Args:
        name: name of the service.
        services: the section as it was loaded: settings of all services, and those of each service by its name.
        default: the same section with nothing set.
    """
    branches = {branch.partition(".")[0] for branch, _ in _WITHOUT_EFFECT}
    for service in services:
        if service in default or service == name or service in branches or service in _HONOURED:
            continue
        for setting in _changed(services[service], default):
            yield (
                f"Unknown service '{service}' in BentoML's configuration; this one is '{name}'. "
                f"{_sentence(f'services.{service}.{setting}', _advice(setting) or f'Move it to services.{name}.')}"
            )
    for setting in _changed(services.get(name, {}), default):
        advice = _advice(setting)
        if advice is not None:
            yield _sentence(f"services.{name}.{setting}", advice)


def _changed(section: Any, default: Any, path: str = "") -> Iterator[str]:
    """The names of the leaves whose values differ from the default."""
    if isinstance(section, Mapping) and (isinstance(default, Mapping) or default is None):
        for key, value in section.items():
            yield from _changed(value, (default or {}).get(key), f"{path}.{key}" if path else str(key))
    elif section != default:
        yield path


def _advice(setting: str) -> str | None:
    for branch, advice in _WITHOUT_EFFECT:
        if setting == branch or setting.startswith(f"{branch}."):
            return advice
    return None


def _sentence(setting: str, advice: str) -> str:
    return f"BentoML's setting {setting} has no effect here. {advice}"
