"""Advice after a training: the command that may give a better version, by what the manifest says."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from artifact.manifest import Manifest
from training.families import FAMILIES

_BOOSTING, _GLM = "hist_gradient_boosting", "glm"
_PRESETS = ("fast", "balanced", "best")
# Options of ``train`` that ``inspect`` has too.
INSPECT_TAKES = (
    *("--target", "--schema", "--group", "--time", "--weight", "--separator", "--encoding", "--sheet"),
    *("--decimal", "--thousands", "--missing-value", "--date-format"),
)
# Options and settings that advice drops: another family or preset replaces them or does not use them.
_OF_THE_MODEL = ("--model", "--preset", "--augment", "--init")
_SETTINGS_OF_THE_MODEL = (
    *("model", "preset", "mix", "augment", "distil"),
    *("epochs", "patience", "folds", "repeats", "served_repeats", "members"),
)
FLAGS = ("--stream", "--no-stream", "--keep-data")


class Advice(NamedTuple):
    """What to try next.

    Attributes:
        sentence: the reason; it ends with a colon.
        command: the command to type; for a table in memory, the call in Python.
    """

    sentence: str
    command: str


def question(manifest: Manifest) -> str:
    """The question that a version's verdict answers."""
    return f"Is {'this model' if is_line(manifest.family) else 'a network'} worth it here?"


def is_line(family: str) -> bool:
    """Whether sentences call a family a line, such as ridge regression, and not a network. A mix is a network here."""
    return family in FAMILIES and bool(FAMILIES[family].line)


def next_step(manifest: Manifest) -> Advice | None:
    """The command that may do better than a version, or None if there is none."""
    verdict = manifest.verdict
    if not verdict.beats_mean:
        return Advice("Look at what these columns hold before more work:", _inspect(manifest))
    if manifest.lineage.made_by != "train":
        # Another training by `trueline train` would leave out the rows that are kept of the earlier version.
        return None
    parts = [FAMILIES.get(name) for name in manifest.lineage.config.get("mix") or ()]
    mixed = any(part is not None and part.grow is not None for part in parts)
    streamed = "sample" in manifest.lineage.parts
    if verdict.worth_it != "yes":
        does = "does as well, and is simpler" if verdict.worth_it == "tie" else "does better"
        family, name = _line(manifest, verdict.best_baseline)
        if family is not None and family != manifest.family and not streamed:
            return Advice(f"{name} {does}:", _train(manifest, "--model", family))
        if verdict.best_baseline == _BOOSTING and not mixed:
            verb = "do as well" if verdict.worth_it == "tie" else "do better"
            return Advice(
                f"Boosted trees {verb}; a mix of networks and trees may do better than both:",
                _train(manifest, "--preset", "best"),
            )
    larger = _larger(manifest)
    if larger is None:
        return None
    return Advice("More work may do better:", _train(manifest, "--preset", larger))


def _line(manifest: Manifest, baseline: str) -> tuple[str | None, str]:
    """The family that equals a baseline, and its name in a sentence; None if there is no such family."""
    same = next((family for family in FAMILIES.values() if family.baseline == baseline), None)
    if same is None:
        return None, ""
    if baseline == _GLM:
        return same.name, "A generalised linear model"
    if same.way(manifest.objective) is not None:
        return same.name, same.line.capitalize()
    # This family does not fit the objective: take a line of its kind that does.
    alike = [family.name for family in FAMILIES.values() if family.alike(same) and family.way(manifest.objective)]
    return (alike[0], "A line") if alike else (None, "")


def _larger(manifest: Manifest) -> str | None:
    """The preset above the version's own; None if the version has the largest preset or none."""
    preset = manifest.lineage.config.get("preset")
    if preset not in _PRESETS[:-1]:
        return None
    return _PRESETS[_PRESETS.index(preset) + 1]


def _train(manifest: Manifest, *options: str) -> str:
    data, *rest = _typed(manifest)
    words = [word for option in _options(rest) if not _replaced(option) for word in option]
    if manifest.lineage.was_in_memory:
        return _call(_options([*words, *options]))
    return shlex.join(["trueline", "train", data, *words, *options])


def _call(options: Iterable[tuple[str, ...]]) -> str:
    """The call in Python, for a table in memory, which no command can name."""
    arguments = (f"{name.removeprefix('--').replace('-', '_')}={value!r}" for name, value in options)
    return f"trueline.train(data, {', '.join(arguments)})"


def _inspect(manifest: Manifest) -> str:
    if manifest.lineage.was_in_memory:
        return shlex.join(["trueline", "report", f"{manifest.model_name}:{manifest.model_version}", "--open"])
    data, *rest = _typed(manifest)
    words = [word for option in _options(rest) if option[0] in INSPECT_TAKES for word in option]
    return shlex.join(["trueline", "inspect", data, *words])


def _typed(manifest: Manifest) -> list[str]:
    """The words after ``trueline train``; for a version trained from Python, the fewest words that train it again."""
    lineage = manifest.lineage
    if lineage.command:
        return list(lineage.command)
    options = {"--target": ",".join(manifest.metrics), "--name": manifest.model_name}
    options |= {
        f"--{name}": str(lineage.config[name]) for name in ("group", "time", "weight") if lineage.config.get(name)
    }
    if manifest.objective != "mse":
        options["--objective"] = manifest.objective
    return [lineage.data, *(word for option in options.items() for word in option)]


def _options(words: Collection[str]) -> Iterator[tuple[str, ...]]:
    """Each option with its value, or alone if it takes none."""
    waiting = iter(words)
    for word in waiting:
        yield (word,) if word in FLAGS else (word, next(waiting, ""))


def _replaced(option: tuple[str, ...]) -> bool:
    name = option[0]
    return name in _OF_THE_MODEL or (name == "--set" and option[1].partition("=")[0].strip() in _SETTINGS_OF_THE_MODEL)
