"""The Python API: train a model, load one, predict, evaluate, and promote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from artifact.errors import unknown_name
from artifact.manifest import REPORT, Coverage, Manifest, Metrics, Verdict
from artifact.registry.base import Reference, Registry
from trueline import environment
from trueline.environment import need_training
from trueline.evaluation import Evaluation, Measuring, evaluation
from trueline.frames import Data, Frame, source_of
from trueline.scoring import answer_names, features_of, read_rows, score
from trueline.terminal.consoles import stderr, tell_note
from trueline.terminal.tables import comparison, html_table, measured_on, sentences
from trueline.trainer import TrainWords, request_of, trained

if TYPE_CHECKING:
    from artifact.predictor import Predictor
    from artifact.rows.schema import FeatureSchema
    from trueline.gates.rows import Given

Runtime = Literal["auto", "onnx", "onnx-int8", "keras"]
# Precedes a command that a sentence proposes.
_NEXT_LINE = "\n    "


class Model:
    """One stored version of a model, as :func:`train` and :func:`load` give it. A notebook shows it as a table.

    Args:
        version: the version.
        store: the registry that holds it.
        runtime: the runtime that computes it, see ``trueline predict --runtime``. Defaults to ``auto``.

    Attributes:
        name, version: names of the model and the version.
        path: the version's folder.
        manifest: the version's record of itself.
    """

    def __init__(self, version: Reference, store: Registry, runtime: Runtime = "auto") -> None:
        self.name, self.version, self.path = version
        self.manifest: Manifest = store.manifest(self.name, self.version)
        self._store, self._runtime = store, runtime

    @property
    def reference(self) -> str:
        """``NAME:VERSION``, as every command takes it."""
        return f"{self.name}:{self.version}"

    @property
    def metrics(self) -> dict[str, Metrics]:
        """Metrics by target, then by name, on rows that the model had not seen."""
        return self.manifest.metrics

    @property
    def coverage(self) -> Coverage:
        """Coverage of the intervals on rows that the model had not seen."""
        return self.manifest.coverage

    @property
    def verdict(self) -> Verdict:
        """The answer to "is a network worth it here?"."""
        return self.manifest.verdict

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what training left out, repaired or suspected."""
        return self.manifest.notes

    @property
    def report(self) -> Path:
        """Path of the report, an HTML page."""
        return self.path / REPORT / "report.html"

    @property
    def schema(self) -> FeatureSchema:
        """The features and targets."""
        return self._predictor.schema

    @cached_property
    def _predictor(self) -> Predictor:
        from artifact.predictor import Predictor

        return Predictor.load(self.path, runtime=self._runtime)

    def predict(self, data: Data, *, interval: float | None = None, allow_missing_columns: bool = False) -> Frame:
        """Answer each row of a table.

        Args:
            data: a path, a polars or pandas DataFrame, or a pyarrow Table; columns that are no features are ignored.
            interval: level of the intervals, in (0, 1). Defaults to 0.9, or the highest that the version can promise.
            allow_missing_columns: treat a feature without a column as missing in each row, if training saw it
                missing. Defaults to False.

        Returns:
            A frame of the same kind (for a path, polars) with one row for each row of the table: ``value``,
            ``lower`` and ``upper`` in the target's unit (with several targets ``NAME_value``, ...), and ``warnings``, a
            text or missing. A pandas frame has the table's index.

        Raises:
            DataError: a table that cannot be read or lacks a feature, values that the schema refuses, or
                a level that the calibration cannot promise.
        """
        need_training("predict", "polars")
        import polars as pl

        from training.table.reading import Reading

        source, predictor = source_of(data), self._predictor
        predictor.bound(interval)
        missing_columns: Literal["impute", "refuse"] = "impute" if allow_missing_columns else "refuse"
        table = read_rows(source.rows, predictor.schema, Reading(), missing_columns, tell_note)
        names = answer_names((), predictor.schema.target_names)
        features = features_of(table.frame, predictor.schema)
        return source.alike(pl.DataFrame(score(features, predictor, interval, names, missing_columns).columns))

    def promote(
        self,
        *,
        force: str | Sequence[str] = (),
        why: str = "",
        data: Data | None = None,
        groups: Sequence[str] = (),
    ) -> Model:
        """Make this version the champion of its name if its gates let it; running services start to serve it.

        Args:
            force: names of gates that are overruled, such as ``("verdict",)``. Defaults to none.
            why: the reason, for the history; with ``force`` there must be one.
            data: rows with known targets that are new to this version and to the champion. Both answer these rows, and
                the gates compare errors, groups and intervals of the answers. By default they compare the figures of
                both trainings.
            groups: columns of ``data`` whose values are groups, beside the features. Defaults to none.

        Raises:
            RefusedError: a gate refuses it; or another version was promoted meanwhile.
            DataError: a name is no gate, the reason is missing, or the rows cannot be compared.
        """
        from trueline.gates.promote import Wish, force_of, promote

        forced = force_of(force, why)
        wish = Wish(
            "trueline.Model.promote", why, forced, None if data is None else _given(data, groups), self._runtime
        )
        # A version that does not load is refused by a gate, which says why.
        loaded = self.__dict__.get("_predictor")
        judged = promote(self._store, Reference(self.name, self.version, self.path), wish, loaded)
        if judged.note:
            tell_note(judged.note)
        if judged.refused is not None:
            raise judged.refused
        return self

    def __repr__(self) -> str:
        return f"Model({self.reference!r}, {self.manifest.family}: {self.verdict.sentence})"

    def _repr_html_(self) -> str:
        """The HTML for a notebook: for each target the comparison with simpler models, then the verdict."""
        parts = [f"<p><b>{escape(self.reference)}</b> ({escape(self.manifest.family)})</p>"]
        for target in self.metrics:
            headers, rows = comparison(self.manifest, target)
            parts.append(html_table(f"{target}: {measured_on(self.manifest)}", headers, rows))
        parts += [f"<p>{escape(sentence).replace(_NEXT_LINE, '<br>')}</p>" for sentence in sentences(self.manifest)]
        return "\n".join([*parts, f"<p>Report: <code>{escape(str(self.report))}</code></p>"])


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
    for word in words:
        if word not in TrainWords.__annotations__:
            raise TypeError(unknown_name("option", word, TrainWords.__annotations__))
    need_training("train", "keras", "polars", "sklearn")
    from trueline.gates.promote import force_of

    force_of(force, why)
    store = registry or environment.registry()
    manifest = trained(request_of(source_of(data), target, words), store, quiet=quiet, verbose=verbose)
    model = load(f"{manifest.model_name}:{manifest.model_version}", registry=store)
    return model.promote(force=force, why=why) if promote else model


def _given(data: Data, groups: Sequence[str]) -> Given:
    """Rows for the gates."""
    need_training("comparing on rows", "polars", "sklearn")
    from training.table.reading import Reading
    from trueline.gates.rows import Given

    names = (groups,) if isinstance(groups, str) else tuple(groups)
    return Given(source_of(data).rows, Reading(), groups=names, note=tell_note)


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
    return Model(store.resolve(model), store, runtime)


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

    if isinstance(model, str):
        model = load(model, registry=registry)
    say: Callable[[str], None] = stderr().print
    measuring = Measuring(Reading(), interval, "impute" if allow_missing_columns else "refuse", tell_note, say)
    version = Reference(model.name, model.version, model.path)
    return evaluation(source_of(data).rows, version, model._predictor, measuring)
