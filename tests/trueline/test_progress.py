"""The progress of ``train``: lines in a log, a bar on a terminal, nothing with ``--quiet``."""

from __future__ import annotations

import io
import math
import time

import numpy as np
import pytest
from rich.console import Console

from tests.builders import build_schema
from training.objectives.kinds import in_target_unit
from trueline.terminal.progress import Teller, duration


def output_of(terminal: bool = False, every: float = 60.0, **options: bool) -> tuple[str, str]:
    """The output of a pretended training: all of it, and the part after the line on devices."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, soft_wrap=True, highlight=False)
    with Teller(console, "RMSE", in_unit=True, every=every, **options) as teller:
        teller.stage("read")
        teller.schema(build_schema(), ["Column '[b]x[/]' is left out: it is empty."])
        teller.devices("cpu:0")
        teller.stage("fit")
        teller.epoch(1, 4, 45_103.2)
        time.sleep(3.5 * every if every < 1 else 0)
        teller.epoch(4, 4, math.nan)
        teller.stage("store")
    return out.getvalue(), out.getvalue().rpartition("Computing")[2]


def test_a_log_gets_a_line_every_so_often_with_the_error_in_its_unit():
    _, after = output_of(every=0.1)
    lines = after.splitlines()[1:]
    assert 2 <= len(lines) <= 5
    assert lines[0].startswith("Training: epoch 1 of 4, validation RMSE 45,103 EUR, after 0 s, 0 s left at most")


def test_a_log_of_quick_work_has_no_line_of_progress():
    text, after = output_of()
    assert "Note: Column '[b]x[/]' is left out: it is empty." in text
    assert "Schema" in text
    assert after.splitlines() == [" on cpu:0."]


def test_a_terminal_gets_a_bar_that_goes_and_no_lines():
    text, _ = output_of(terminal=True, every=0.1)
    assert "Storing" in text
    assert ", after" not in text


def test_quiet_is_quiet_and_verbose_tells_all():
    assert output_of(quiet=True, every=0.1)[0] == ""
    assert output_of(quiet=True, terminal=True)[0] == ""
    text, _ = output_of(verbose=True)
    for part in (
        "Reading, after 0 s\n",
        "Training, after 0 s\n",
        "Training: epoch 1 of 4, validation RMSE 45,103 EUR, after 0 s, 0 s left at most\n",
        "Training: epoch 4 of 4, after 0 s\n",
        "Storing, after 0 s\n",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("stage", "schema", "expected"),
    [
        ("fit", build_schema(targets=("a", "b")), "validation RMSE 0.5 standard deviations"),
        ("refit", build_schema(), "Training on all rows: epoch 1 of 2, after"),
        ("distil", build_schema(), "Teaching a small network: epoch 1 of 2, after"),
    ],
)
def test_an_error_is_told_where_there_is_one_and_with_what_it_is_in(stage, schema, expected):
    out = io.StringIO()
    with Teller(Console(file=out, soft_wrap=True), "RMSE", in_unit=True, verbose=True) as teller:
        teller.schema(schema, [])
        teller.stage(stage)
        teller.epoch(1, 2, 0.5)
    assert expected in out.getvalue()


def test_the_target_s_unit_is_named():
    schema = build_schema()
    schema = schema.model_copy(update={"targets": (schema.targets[0].model_copy(update={"unit": "[EUR]"}),)})
    out = io.StringIO()
    with Teller(Console(file=out, soft_wrap=True), "RMSE", in_unit=True, verbose=True) as teller:
        teller.schema(schema, [])
        teller.stage("fit")
        teller.epoch(1, 2, 1234.5)
    assert "validation RMSE 1,234 [EUR], after" in out.getvalue()


@pytest.mark.parametrize(
    ("objective", "has_unit"),
    [("mse", True), ("quantile", True), ("huber", False), ("expectile", False), ("gaussian", False)],
)
@pytest.mark.parametrize("targets", [1, 2])
def test_an_error_is_multiplied_where_it_is_in_the_target_s_unit(objective, has_unit, targets):
    errors: list[float] = []
    progress = in_target_unit(lambda _epoch, _epochs, error: errors.append(error), objective, np.full(targets, 20.0))
    assert progress is not None
    progress(1, 2, 0.5)
    assert errors == [10.0 if has_unit and targets == 1 else 0.5]
    assert in_target_unit(None, objective, np.ones(1)) is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (119, "119 s"), (754, "13 min"), (7_300, "2 h 2 min"), (7_199, "2 h 0 min")]
)
def test_spans_are_said_as_people_say_them(seconds, text):
    assert duration(seconds) == text


def test_a_notebook_gets_one_output_that_is_drawn_anew_and_then_empty(monkeypatch):
    drawings: list[str] = []

    class Handle:
        def update(self, renderable: object) -> None:
            drawings.append(renderable._repr_mimebundle_(include=None, exclude=None)["text/plain"])

    def display(renderable: object, *, display_id: bool) -> Handle:
        assert display_id
        Handle().update(renderable)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("trueline.terminal.notebook.EVERY", 0.0)
    console = Console(file=io.StringIO(), force_jupyter=True)
    with Teller(console, "RMSE", in_unit=True) as teller:
        teller.stage("fit")
        teller.epoch(1, 4, 45_103.2)
    assert "Starting" in drawings[0]
    assert any("Training" in text and "epoch 1 of 4, validation RMSE 45,103" in text for text in drawings)
    assert drawings[-1] == ""
