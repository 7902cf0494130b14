"""A stored version in Python: it predicts, goes live, and new versions are made from it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from artifact.manifest import REPORT, Coverage, Manifest, Metrics, Verdict
from artifact.registry.base import Reference, Registry
from artifact.words.remarks import remark
from trueline.environment import need_training
from trueline.evaluation import Measuring
from trueline.frames import Data, Frame, ReadingWords, reading_of, source_of
from trueline.gates.given import RowsWords, given_rows
from trueline.gates.live import check_everywhere, check_seconds, wait_for
from trueline.retrain.call import Call, RetrainWords
from trueline.retrain.earlier import Former
from trueline.scoring import answer_names, features_of, read_rows, score
from trueline.terminal.consoles import stderr, tell_note
from trueline.terminal.tables import comparison, html_table, measured_on, sentences
from trueline.trainer import check_words

if TYPE_CHECKING:
    from artifact.predictor import Predictor
    from artifact.rows.schema import FeatureSchema
    from trueline.retrain.reproduce import Reproduction

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
        self._stored, self._store, self._runtime = version, store, runtime

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
        wait: bool = False,
        timeout: float = 30.0,
        **rows: Unpack[RowsWords],
    ) -> Model:
        """Make this version the champion of its name if its gates let it; running services start to serve it.

        Args:
            force: names of gates that are overruled, such as ``("verdict",)``. Defaults to none.
            why: the reason, for the history, up to 500 characters; with ``force`` there must be one.
            data: rows with known targets that are new to this version and to the champion. Both answer these rows, and
                the gates compare errors, groups and intervals of the answers. Defaults to the rows that :meth:`refit`
                held out; without them the gates compare the figures of both trainings.
            wait: return when every worker of every service has it live. Defaults to False.
            timeout: the longest wait, in seconds, at least 0. Defaults to 30.
            **rows: how ``data`` is read: ``groups`` (columns whose values are groups, beside the features),
                ``allow_missing_columns``, ``separator``, ``encoding``, ``sheet``.

        Returns:
            This version. If it was the champion already, a note on standard error says that nothing was changed.

        Raises:
            RefusedError: a gate refuses it; or another version was promoted meanwhile; or some worker does not have it.
            DataError: a name is no gate, the reason is missing, an argument is of a wrong kind, or the rows cannot be
                compared.
            ArtifactError: the deployment log is damaged.
            TypeError: an option that does not exist; the message lists those that do.
        """
        from trueline.gates.promote import Wish, force_of, promote

        check_words(rows, RowsWords)
        why = remark(why, "why")
        check_seconds(timeout)
        wish = Wish("trueline.Model.promote", why, force_of(force, why), given_rows(data, rows), self._runtime)
        # A version that does not load is refused by a gate, which says why.
        judgement = promote(self._store, self._stored, wish, self.__dict__.get("_predictor"))
        if judgement.note:
            tell_note(judgement.note)
        if judgement.refused is not None:
            raise judgement.refused
        if judgement.unchanged:
            tell_note(judgement.unchanged)
        if wait:
            check_everywhere(wait_for(self._store, self.name, timeout), self._stored)
        return self

    def refit(self, data: Data | None = None, *, append: Data | None = None, **words: Unpack[RetrainWords]) -> Model:
        """Train anew by this version's recipe on new rows: as ``trueline refit`` does.

        Example:
            >>> model.refit(append=sold_last_month).promote(why="new rows of January")

        Args:
            data: rows that train alone: a path, a polars or pandas DataFrame, or a pyarrow Table. Defaults to
                all rows that trained this version: the data of the recipe, read again, or the kept rows where the data
                were added to them.
            append: rows that train beside the rows that are kept of this version, in place of ``data``.
            **words: the other options of ``trueline refit`` by their names: ``newest`` (a number of rows, or days as
                ``"90d"``), ``hold_out``, ``keep_data``, ``note``, ``separator``, ``encoding``, ``sheet``, ``quiet``,
                ``verbose``.

        Returns:
            The new version.

        Raises:
            DataError: the rows do not fit the recipe, or no rows are kept to append to; nothing was written.
            TypeError: an option that does not exist; the message lists those that do.
        """
        former = self._former("refit", words)
        return self._made(Call.refit(former, data, append, words).run(former))

    def finetune(self, data: Data, *, tolerance: float = 0.1, **words: Unpack[RetrainWords]) -> Model:
        """Train further on new rows, from this version's weights: as ``trueline finetune`` does.

        Args:
            data: the new rows: a path, a polars or pandas DataFrame, or a pyarrow Table.
            tolerance: how much larger the error on old rows may be, as a share. Defaults to 0.1.
            **words: the other options of ``trueline finetune`` by their names, see :meth:`refit`.

        Returns:
            The new version.

        Raises:
            RefusedError: old rows got worse beyond the tolerance; nothing was written.
            DataError: the rows do not fit the recipe; nothing was written.
            TypeError: an option that does not exist; the message lists those that do.
        """
        former = self._former("finetune", words)
        return self._made(Call("finetune", source_of(data), words, tolerance=tolerance).run(former))

    def recalibrate(self, data: Data, *, note: str = "", **reading: Unpack[ReadingWords]) -> Model:
        """Fit the intervals anew on new rows: the same network, in seconds, as ``trueline recalibrate`` does.

        Args:
            data: rows that this version has not seen, with their target: a path, a polars or pandas DataFrame, or a
                pyarrow Table.
            note: your own words about the version. Defaults to those of this version.
            **reading: how a file is read: ``separator``, ``encoding``, ``sheet``.

        Returns:
            The new version.

        Raises:
            DataError: the rows cannot be read, lack a feature or a target, are too few, or trained this version.
            TypeError: an option that does not exist; the message lists those that do.
        """
        check_words(reading, ReadingWords)
        need_training("recalibrate", "polars", "sklearn")
        from trueline.retrain.recalibrate import recalibrate

        measuring = Measuring(reading_of(reading), None, "refuse", tell_note, stderr().print)
        return self._made(recalibrate(self._store, self._stored, source_of(data), measuring, remark(note, "note")))

    def reproduce(self, *, quiet: bool = False, verbose: bool = False) -> Reproduction:
        """Train this version again from its kept rows, and compare: as ``trueline reproduce`` does. Nothing is stored.

        Args:
            quiet: print no schema, notes or progress. Defaults to False.
            verbose: print a line for each stage and epoch, and all settings. Defaults to False.

        Raises:
            DataError: no rows are kept of it; or the version that it started from is not there any more.
            ArtifactError: the kept rows are gone or damaged.
        """
        need_training("reproduce", "keras", "polars", "sklearn")
        from trueline.retrain.refit import Display
        from trueline.retrain.reproduce import reproduce

        with tempfile.TemporaryDirectory(prefix="trueline-reproduce-") as folder:
            return reproduce(Former.find(self._store, self.reference), Path(folder), Display(quiet, verbose))

    def _former(self, by: str, words: RetrainWords) -> Former:
        """This version with its recipe, for a training by it."""
        check_words(words, RetrainWords)
        need_training(by, "keras", "polars", "sklearn")
        return Former.find(self._store, self.reference)

    def _made(self, manifest: Manifest) -> Model:
        """A version that was made from this one."""
        return Model(self._store.fetch(manifest.model_name, manifest.model_version), self._store, self._runtime)

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
