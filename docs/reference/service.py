"""The lists in docs/http.md and docs/protocols.md: routes, errors, settings, limits and metrics of the service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from docs.reference.markdown import bullets, check_names, code, sentence, table, typed
from docs.reference.values import allowed
from service.app.operations import rows
from service.metrics.metrics import WARNING_KINDS, Metrics
from service.settings.settings import PREFIX, Settings
from service.wire.errors import DETAILS_LIMIT, ApiError

__all__ = [
    "DETAILS_LIMIT",
    "WARNING_KINDS",
    "code",
    "errors",
    "limits",
    "metrics",
    "protocol_routes",
    "routes",
    "settings",
]
_UNITS = (("bytes", 2**20, "MiB"), ("bytes", 2**10, "KiB"))


def routes() -> str:
    """The service's own operations."""
    return _table(own=True)


def protocol_routes() -> str:
    """The operations of the other protocols."""
    return _table(own=False)


def _table(*, own: bool) -> str:
    lines = [(code(row.path), row.methods, row.key, typed(row.answers)) for row in rows(own=own)]
    return table(["path", "methods", "key", "answers"], lines)


def errors() -> str:
    """Every error by its code: when it comes, and what the caller can do."""
    everyone: list[type[ApiError]] = [ApiError, *ApiError.__subclasses__()]
    kinds = sorted(everyone, key=lambda kind: (kind.status, kind.code))
    rows = [(str(k.status), code(k.code), _first_line(k), typed(k.remedy)) for k in kinds]
    return table(["status", "code", "when", "what to do"], rows)


def _first_line(kind: type[ApiError]) -> str:
    return (kind.__doc__ or "").partition("\n")[0].partition(". ")[0].rstrip(".") + "."


def settings(groups: Mapping[str, str], see: Mapping[str, str] | None = None) -> str:
    """Every setting of the service by its variable.

    Args:
        groups: the first setting below each heading, by heading.
        see: by setting, where the page says more.
    """
    see = see or {}
    first = {name: heading for heading, name in groups.items()}
    check_names("setting", {**see, **first}, Settings.model_fields)
    text = ""
    group: list[tuple[str, list[str], str]] = []
    for name, field in Settings.model_fields.items():
        if name in first:
            text += (bullets(group) if group else "") + f"\n**{first[name]}**\n"
            group = []
        standard = "unset" if field.default is None else code(_shown(field.default))
        words = allowed(field) if "`" in allowed(field) else ""
        meaning = sentence(typed(field.description or ""), see.get(name))
        group.append((code(variable(name)), [part for part in (words, f"default {standard}") if part], meaning))
    return text + bullets(group)


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def limits(rows: Iterable[tuple[str, str, str]]) -> str:
    """A table of limits.

    Args:
        rows: for each limit the thing that is limited, its setting (``NAME, more words``, or words alone), and what
            happens beyond it.
    """
    return table(["what", "limit", "beyond it"], ((what, _limit(limit), beyond) for what, limit, beyond in rows))


def _limit(text: str) -> str:
    name, comma, more = text.partition(", ")
    if name not in Settings.model_fields:
        return text
    return f"{_amount(name)}, {code(variable(name))}{comma and '; '}{more}"


def _amount(name: str) -> str:
    value = Settings.model_fields[name].default
    for ending, size, unit in _UNITS:
        if name.endswith(ending) and value % size == 0:
            return f"{value // size} {unit}"
    return f"{value:g} s" if name.endswith("seconds") else f"{value:,}"


def metrics(see: Mapping[str, str]) -> str:
    """Every metric with its type and labels.

    Args:
        see: by metric, what the page adds.
    """
    collected = sorted(_metrics(), key=lambda item: item[0])
    check_names("metric", see, {name for name, *_ in collected})
    return bullets(
        (code(name), [kind, *([f"by {code(*labels)}"] if labels else [])], _meaning(name, text, see))
        for name, kind, labels, text in collected
    )


def _meaning(name: str, text: str, see: Mapping[str, str]) -> str:
    return f"{sentence(typed(text))} {see[name]}" if name in see else sentence(typed(text))


def _metrics() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Name, type, labels and help text of each metric that a service registers."""
    registry = CollectorRegistry()
    Metrics(registry)
    for collector in registry._collector_to_names:
        for metric in _described(collector):
            ending = "_total" if metric.type == "counter" else ""
            labels = tuple(getattr(collector, "_labelnames", ()))
            # Each worker writes its own line for these.
            each = getattr(collector, "_multiprocess_mode", "") in ("all", "liveall")
            yield metric.name + ending, metric.type, (*labels, *(["pid"] if each else [])), metric.documentation


def _described(collector: Collector) -> Iterable[Metric]:
    describe = getattr(collector, "describe", collector.collect)
    described: Iterable[Metric] = describe()
    return described


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)
