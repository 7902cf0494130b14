"""The functions of the Python API: train, load, evaluate, compare, roll back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from artifact.errors import DataError
from artifact.registry.base import Registry
from artifact.registry.entry import Entry, Statement
from artifact.words.remarks import remark
from trueline import environment
from trueline.api.model import Model, Runtime
from trueline.environment import need_training
from trueline.evaluation import Evaluation, Measuring, evaluation
from trueline.frames import Data, source_of
from trueline.gates.given import RowsWords, given_rows
from trueline.gates.live import check_everywhere, check_seconds, history_of, wait_for
from trueline.terminal.consoles import stderr, tell_note
from trueline.trainer import TrainWords, check_words, request_of, trained

if TYPE_CHECKING:
    from trueline.gates.promote import Judgement


def train(
    data: Data,
    target: str | Sequence[str],
    *,
    promote: bool = False,
    force: str | Sequence[str] = (),
    why: str = "",
    quiet: bool = False,
    verbose: bool = False,
    registry: Registry | None = None,
    **words: Unpack[TrainWords],
) -> Model:
    """Train a network on a table, compare it with simpler models, and store it: as ``trueline train`` does.

    Example:
        >>> model = trueline.train(houses, target="price", preset="fast", promote=True)
        >>> model.predict(new_houses, interval=0.8)

    Args:
        data: a path, a polars or pandas DataFrame, or a pyarrow Table.
        target: column to predict; several separated by commas, or a list.
        promote: make the new version the champion, which services serve, if its gates let it. Defaults to False.
        force: with ``promote``, names of gates that are overruled, such as ``("verdict",)``. Defaults to none.
        why: with ``promote``, the reason, for the history; with ``force`` there must be one.
        quiet: print no schema, notes or progress. Defaults to False.
        verbose: print a line for each stage and epoch, and all settings. Defaults to False.
        registry: where to store the version. Defaults to the store that ``BENTOML_HOME`` names.
        **words: the other options of ``trueline train`` by their names: ``name``, ``preset``, ``model``,
            ``objective``, ``cv``, ``augment``, ``settings`` (a dict, for ``--set``), ``config``, ``schema`` (a path, or
            the content of ``schema.toml`` as a dict), ``group``, ``time``, ``weight``, ``interval_groups``, ``init``,
            ``stream``, ``keep_data``, ``seed``, ``device``, ``note``, ``separator``, ``encoding``, ``sheet``,
            ``decimal``, ``thousands``, ``missing_value``, ``date_format``. The name defaults to the file's, or
            for a frame to the target's.

    Raises:
        DataError: the table or an option is wrong; nothing was written.
        RefusedError: the version is stored but not promoted, because a gate refuses it.
        TruelineError: the store cannot be written, training diverged twice, or export failed; nothing was written.
        TypeError: an option that does not exist; the message lists those that do.
    """
    check_words(words, TrainWords)
    need_training("train", "keras", "polars", "sklearn")
    from trueline.gates.promote import force_of

    why = remark(why, "why")
    force_of(force, why)
    store = registry or environment.registry()
    manifest = trained(request_of(source_of(data), target, words), store, quiet=quiet, verbose=verbose)
    model = load(f"{manifest.model_name}:{manifest.model_version}", registry=store)
    return model.promote(force=force, why=why) if promote else model


def load(model: str, *, runtime: Runtime = "auto", registry: Registry | None = None) -> Model:
    """Load a stored version.

    Args:
        model: ``NAME`` (its champion, or without one its newest version), ``NAME:VERSION`` or ``NAME:champion``.
        runtime: the runtime that computes it: ``auto``, ``onnx``, ``onnx-int8`` or ``keras``. Defaults to ``auto``.
        registry: where it is stored. Defaults to the store that ``BENTOML_HOME`` names.

    Raises:
        NotFoundError: no such model or version; the message lists those that exist.
        ArtifactError: its manifest is damaged.
    """
    store = registry or environment.registry()
    return Model(store.resolve(_name(model, "a model's name, such as 'houses' or 'houses:champion'")), store, runtime)


def evaluate(
    model: str | Model,
    data: Data,
    *,
    interval: float | None = None,
    allow_missing_columns: bool = False,
    registry: Registry | None = None,
) -> Evaluation:
    """Measure a version on rows whose target is known: as ``trueline evaluate`` does.

    Args:
        model: a model from :func:`train` or :func:`load`, or a name as :func:`load` takes it.
        data: a path, a polars or pandas DataFrame, or a pyarrow Table.
        interval: level of the intervals, in (0, 1). Defaults to 0.9, or the highest that the version can promise.
        allow_missing_columns: see :meth:`Model.predict`. Defaults to False.
        registry: where the version is stored. Defaults to the store that ``BENTOML_HOME`` names.

    Raises:
        DataError: a table that cannot be read, lacks a feature or a target, or has values that the schema refuses.
    """
    need_training("evaluate", "polars", "sklearn")
    from training.table.reading import Reading

    model = _model(model, registry)
    say: Callable[[str], None] = stderr().print
    measuring = Measuring(Reading(), interval, "impute" if allow_missing_columns else "refuse", tell_note, say)
    return evaluation(source_of(data).rows, model._stored, model._predictor, measuring)


def compare(
    model: str | Model,
    other: str | Model,
    data: Data | None = None,
    *,
    runtime: Runtime = "auto",
    registry: Registry | None = None,
    **rows: Unpack[RowsWords],
) -> Judgement:
    """Say what the gates of a promotion would say of a version, if another one were the champion; nothing is changed.

    Example:
        >>> trueline.compare(model, "houses:champion", sold_last_month).passes

    Args:
        model: the version: from :func:`train` or :func:`load`, or a name as :func:`load` takes it.
        other: the version that it is compared with.
        data: rows with known targets, see :meth:`Model.promote`.
        runtime: the runtime that computes both versions. Defaults to ``auto``.
        registry: where the versions are stored. Defaults to the store that ``BENTOML_HOME`` names.
        **rows: how ``data`` is read, see :meth:`Model.promote`.

    Raises:
        DataError: both are the same version, they predict other targets, one is no model, or the rows cannot be
            compared.
        TypeError: an option that does not exist; the message lists those that do.
    """
    from trueline.gates.promote import compare as judge

    check_words(rows, RowsWords)
    version, beside = (_model(one, registry) for one in (model, other))
    judgement = judge(version._store, version._stored, beside._stored, given_rows(data, rows), runtime)
    if judgement.note:
        tell_note(judgement.note)
    return judgement


def rollback(
    name: str,
    *,
    why: str = "",
    wait: bool = False,
    timeout: float = 30.0,
    registry: Registry | None = None,
) -> Model:
    """Make the former champion of a model the champion again: as ``trueline rollback`` does.

    Args:
        name: name of the model.
        why: the reason, for the history.
        wait: return when every worker of every service has it live. Defaults to False.
        timeout: the longest wait, in seconds, at least 0. Defaults to 30.
        registry: where the versions are stored. Defaults to the store that ``BENTOML_HOME`` names.

    Returns:
        The version that is the champion again. A note on standard error names former champions that were deleted, and
        are skipped for this reason.

    Raises:
        NotFoundError: no such model; the message lists those that exist.
        DataError: there is no former champion that still exists, or an argument is of a wrong kind.
        ArtifactError: the deployment log is damaged, so that the former champion is not known.
        RefusedError: the former champion is damaged; or another version was promoted, or rolled back to, meanwhile; or
            some worker does not have it.
    """
    name, why = _name(name, "a model's name, such as 'houses'"), remark(why, "why")
    check_seconds(timeout)
    store = registry or environment.registry()
    way = store.way_back(name)
    version = store.rollback(name, statement=Statement(why, "trueline.rollback"), way=way)
    if way.note:
        tell_note(way.note)
    if wait:
        check_everywhere(wait_for(store, name, timeout), version)
    return Model(version, store)


def history(name: str, *, registry: Registry | None = None) -> list[Entry]:
    """The versions of a model that were live, the newest first: as ``trueline history`` lists them.

    Args:
        name: name of the model.
        registry: where the versions are stored. Defaults to the store that ``BENTOML_HOME`` names.

    Raises:
        NotFoundError: no such model; the message lists those that exist.
    """
    name = _name(name, "a model's name, such as 'houses'")
    entries, problem = history_of(registry or environment.registry(), name)
    if problem:
        tell_note(problem)
    return entries


def _name(name: Any, rule: str) -> str:
    if not isinstance(name, str):
        raise DataError(f"Expected {rule}. Received: {name!r}. `trueline models` lists the names.")
    return name


def _model(model: Any, registry: Registry | None) -> Model:
    """A model that a caller gives, or names."""
    if isinstance(model, Model):
        return model
    return load(_name(model, "a model from trueline.load, or its name such as 'houses:champion'"), registry=registry)
