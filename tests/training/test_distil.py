"""One small network in place of many: answers teach it; rows that neither it nor its teacher saw measure it."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from artifact.layers import TargetScaling
from artifact.registry.local import LocalRegistry
from artifact.rows.encoding import Encoded
from artifact.runtimes import Outputs
from tests.training.conftest import wavy_table
from tests.training.fits import fit_on
from training.ensemble import students as teaching
from training.ensemble.distil import distil, is_ensemble, networks_of
from training.ensemble.logits import raw_of
from training.ensemble.munge import near_rows
from training.evaluation.measure import measure
from training.networks.unseen import answers
from training.prepare.in_memory import Prepared, prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.train import train

CONFIG = TrainConfig(model="mlp", folds=3, repeats=2, hidden=(32,), embedding_bins=8, epochs=8, distil=True)


@pytest.fixture(scope="module")
def taught():
    prepared = prepare(wavy_table(), Request("", ("y",), "m", CONFIG))
    fitted = fit_on(prepared, prepared.plan.folds, repeats=2)
    return prepared, fitted, distil(prepared, fitted)


def test_the_student_is_small_and_answers_as_its_teachers_do(taught):
    prepared, fitted, student = taught
    ours, theirs = answers(student.model, prepared.X), answers(fitted.model, prepared.X)
    assert np.std(ours.value - theirs.value) < 0.3 * np.std(theirs.value)
    assert np.corrcoef(np.log(ours.spread[:, 0]), np.log(theirs.spread[:, 0]))[0, 1] > 0.7
    (shape,) = {w.shape[0] for w in student.model.trainable_weights}
    assert shape == 1


def test_the_note_says_what_it_costs_by_rows_out_of_fold(taught):
    prepared, _, student = taught
    measured = measure(prepared, student)
    rmse = np.sqrt(np.mean(np.square(measured.outputs.value - prepared.y))) / prepared.y.std()
    (fact,) = student.facts
    assert fact.served
    assert not fact.held_out
    assert (fact.error, fact.error_is) == (pytest.approx(rmse, rel=1e-3), "RMSE")
    assert student.notes[-1] == fact.sentence
    assert len(student.unseen) == len(student.networks) == 3


def test_a_fold_is_answered_by_a_student_that_never_heard_of_its_targets(taught):
    """One fold has other targets, which its teachers have not seen: its student answers the same to the last bit."""
    prepared, fitted, student = taught
    teacher = networks_of(prepared, fitted)

    def other(X: Encoded) -> list[Outputs]:
        outputs = teacher(X)
        # As if every other network had learnt other targets of the first fold.
        return [outputs[0], *(Outputs(o.value + 5, o.spread) for o in outputs[1:])]

    changed = distil(prepared, fitted, other)
    np.testing.assert_array_equal(changed.unseen[0].value, student.unseen[0].value)
    assert abs(changed.unseen[1].value - student.unseen[1].value).mean() > 1


def test_made_rows_of_a_fold_do_not_teach_its_student(taught, monkeypatch):
    prepared, fitted, _ = taught
    rows_of_steps = []
    students = teaching.Students.of(prepared, fitted, networks_of(prepared, fitted), False)
    n = students.targets.shape[1]
    monkeypatch.setattr(students.loop, "run", lambda rows: rows_of_steps.append(rows) or np.ones((2, 4), np.float32))
    students.train(None)
    seen = np.concatenate(rows_of_steps).transpose(1, 0, 2).reshape(4, -1)
    for k in range(3):
        assert set(students.fold_of[seen[k] - k * n]) == {0, 1, 2} - {k}
    assert set(students.fold_of[seen[3] - 3 * n]) == {0, 1, 2}


def test_auto_keeps_an_ensemble_that_a_student_does_not_reach(taught, monkeypatch):
    prepared, fitted, student = taught
    with_auto = replace(prepared, config=prepared.config.model_copy(update={"distil": "auto"}))
    monkeypatch.setattr(teaching, "STEPS", 20)
    served = distil(with_auto, fitted)
    assert served.model is fitted.model
    (fact,) = served.facts
    assert not fact.served
    assert fact.cost > fact.allowed == 1.01
    assert served.notes[-1] == fact.sentence
    assert student.model is not fitted.model


def test_one_network_has_nothing_to_teach(taught):
    prepared, fitted, _ = taught
    single = replace(prepared, plan=prepared.plan._replace(folds=prepared.plan.folds[:1], repeats=1))
    assert not is_ensemble(single, replace(fitted, networks=()))
    line = replace(prepared, config=prepared.config.model_copy(update={"model": "ridge"}))
    assert not is_ensemble(line, fitted)


@pytest.mark.parametrize(
    ("link", "width", "n_quantiles"), [("identity", 4, 0), ("normal", 4, 0), ("log", 4, 0), ("quantile", 6, 3)]
)
def test_raw_answers_are_what_the_layer_makes_answers_of(link, width, n_quantiles):
    raw = np.random.default_rng(0).normal(size=(50, width)).astype(np.float32)
    scaling = TargetScaling([0.0, 3.0], [2.0, 5.0], link=link, n_quantiles=n_quantiles)
    if link == "log":
        scaling = TargetScaling([0.0, 0.0], [2.0, 5.0], link=link)
    outputs = Outputs(**{name: np.asarray(t) for name, t in scaling(raw[None]).items()})
    back = raw_of(outputs, scaling)
    again = Outputs(**{name: np.asarray(t) for name, t in scaling(back[None]).items()})
    for a, b in zip(outputs, again, strict=True):
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_a_probability_is_taught_by_its_odds():
    scaling = TargetScaling([0.0], [1.0], link="logistic")
    raw = np.array([[-3.0], [0.0], [2.0]], np.float32)
    outputs = Outputs(**{name: np.asarray(t) for name, t in scaling(raw[None]).items()})
    np.testing.assert_allclose(raw_of(outputs, scaling), raw, atol=1e-5)


def test_made_rows_lie_between_near_rows():
    rng = np.random.default_rng(0)
    numeric = np.sort(rng.normal(size=(200, 1)).astype(np.float32), axis=0)
    X = Encoded(numeric, rng.integers(2, 5, (200, 1)).astype(np.int32))
    made, parents = near_rows(X, numeric, 1000, rng)
    assert len(made) == len(parents) == 1000
    assert made.numeric.dtype == np.float32
    away = abs(made.numeric - numeric[parents])[:, 0]
    assert 0.2 < (away > 0).mean() < 0.6
    assert away.mean() < 0.1 * numeric.std()
    assert set(np.unique(made.categorical)) == {2, 3, 4}
    changed = (made.categorical[:, 0] != X.categorical[parents, 0]).mean()
    assert 0.1 < changed < 0.4


def test_held_out_rows_do_not_teach_until_they_have_measured(monkeypatch):
    config = CONFIG.model_copy(update={"folds": 1, "repeats": 2, "epochs": 2})
    prepared: Prepared = prepare(wavy_table(), Request("", ("y",), "m", config))
    # One repeat of two networks, neither of which is dropped.
    fitted = fit_on(prepared, prepared.plan.folds, repeats=1)
    monkeypatch.setattr(teaching, "STEPS", 20)
    questions = []

    def teacher(X: Encoded) -> list[Outputs]:
        questions.append(X)
        return networks_of(prepared, fitted)(X)

    student = distil(prepared, fitted, teacher)
    parts = prepared.plan.parts
    assert parts is not None
    held_out = prepared.X.numeric[np.concatenate([parts.test, parts.calibration, parts.validation])]
    seen = {tuple(row) for row in questions[0].numeric.tolist()}
    assert not seen & {tuple(row) for row in held_out.tolist()}
    assert (student.facts[-1].served, student.facts[-1].held_out) == (True, True)
    assert student.notes[-1] == student.facts[-1].sentence
    # Twenty steps teach little: if the student must be as good, the ensemble stays.
    wary = replace(prepared, config=prepared.config.model_copy(update={"distil": "auto"}))
    served = distil(wary, fitted, networks_of(prepared, fitted))
    assert served.model is fitted.model
    assert not served.facts[-1].served
    distil(prepared, fitted, teacher, use_held_out=True)
    seen = {tuple(row) for row in questions[1].numeric.tolist()}
    assert {tuple(row) for row in held_out.tolist()} <= seen


@pytest.mark.parametrize("distil_setting", [True, "auto"])
def test_what_held_out_rows_decided_stands_when_all_rows_have_trained(distil_setting, monkeypatch, tmp_path):
    monkeypatch.setattr(teaching, "STEPS", 20)
    update = {"model": "tabm", "members": 2, "folds": 1, "refit": True, "epochs": 2, "distil": distil_setting}
    config = CONFIG.model_copy(update=update)
    wavy_table().write_parquet(tmp_path / "table.parquet")
    registry = LocalRegistry(tmp_path / "home")
    manifest = train(Request(str(tmp_path / "table.parquet"), ("y",), "m", config), registry)
    fact = manifest.facts.distilled
    assert (fact.served, fact.held_out) == (distil_setting is True, True)
    assert fact.cost is not None
    assert manifest.notes.count(fact.sentence) == 1
    model = keras.saving.load_model(registry.resolve(f"m:{manifest.model_version}").path / "model.keras")
    assert (model.name == "student") == (distil_setting is True)
