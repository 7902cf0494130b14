"""What is said to try next, by what a version's manifest says."""

import shlex

import click
import pytest

from tests.builders import build_manifest, build_schema
from training.evaluation.advice import FLAGS, INSPECT_TAKES, next_step
from trueline.commands.train import ABOUT_THE_VERSION
from trueline.main import cli

TYPED = ("my houses.csv", "--target", "price [EUR]", "--preset", "fast", "--set", "epochs=2", "--set", "l2=0.1")


def manifest(worth_it, best, *, command=TYPED, family="mlp", objective="mse", parts=None, **config):
    base = build_manifest(build_schema(), "houses", "v1")
    lineage = base.lineage.model_copy(
        update={"config": {"preset": "fast", **config}, "command": command, **({"parts": parts} if parts else {})}
    )
    verdict = base.verdict.model_copy(
        update={"worth_it": worth_it, "best_baseline": best, "beats_mean": worth_it != "hopeless"}
    )
    return base.model_copy(update={"lineage": lineage, "verdict": verdict, "family": family, "objective": objective})


@pytest.mark.parametrize(
    ("version", "sentence", "options"),
    [
        (manifest("tie", "ridge"), "Ridge regression does as well, and is simpler:", ["--model", "ridge"]),
        (manifest("no", "elastic_net"), "Elastic net does better:", ["--model", "elastic-net"]),
        (manifest("no", "lasso", objective="mae"), "A line does better:", ["--model", "linear"]),
        (manifest("tie", "glm", objective="poisson"), "A generalised linear model does as well", ["--model", "linear"]),
        (manifest("no", "hist_gradient_boosting"), "Boosted trees do better;", ["--preset", "best"]),
        (manifest("tie", "hist_gradient_boosting"), "Boosted trees do as well;", ["--preset", "best"]),
        (manifest("yes", "ridge"), "More work may do better:", ["--preset", "balanced"]),
        (manifest("yes", "ridge", preset="balanced"), "More work may do better:", ["--preset", "best"]),
        (manifest("tie", "ridge", family="ridge"), "More work may do better:", ["--preset", "balanced"]),
        (
            manifest("no", "ridge", parts={"train": 9, "sample": 3}),
            "More work may do better:",
            ["--preset", "balanced"],
        ),
        (manifest("no", "polynomial", objective="mae"), "More work may do better:", ["--preset", "balanced"]),
    ],
)
def test_the_next_command_is_the_last_one_with_what_may_do_better(version, sentence, options):
    advice = next_step(version)
    assert advice is not None
    assert advice.sentence.startswith(sentence)
    same = ["trueline", "train", "my houses.csv", "--target", "price [EUR]", "--set", "l2=0.1"]
    assert shlex.split(advice.command) == [*same, *options]


def test_nothing_is_said_where_nothing_is_left():
    assert next_step(manifest("yes", "ridge", preset="best")) is None
    mixed = manifest("tie", "hist_gradient_boosting", preset="best", mix=["mlp", "trees"])
    assert next_step(mixed) is None


@pytest.mark.parametrize("by", ["refit", "finetune", "recalibrate"])
def test_a_version_made_from_another_one_is_not_to_be_trained_without_that_one(by):
    version = manifest("yes", "ridge")
    made = version.model_copy(update={"lineage": version.lineage.model_copy(update={"made_by": by})})
    assert next_step(version) is not None
    assert next_step(made) is None


def test_a_model_that_tells_nothing_leads_to_the_table():
    typed = (*TYPED, "--schema", "s.toml", "--group", "town", "--separator", ";", "--stream", "--seed", "3")
    advice = next_step(manifest("hopeless", "mean", command=typed))
    assert advice is not None
    expected = "my houses.csv", "--target", "price [EUR]", "--schema", "s.toml", "--group", "town", "--separator", ";"
    assert shlex.split(advice.command) == ["trueline", "inspect", *expected]


def test_what_was_trained_from_python_has_a_command_too():
    advice = next_step(manifest("tie", "ridge", command=(), group="town", weight=None))
    assert advice is not None
    words = "houses.csv", "--target", "price", "--name", "houses", "--group", "town", "--model", "ridge"
    assert shlex.split(advice.command) == ["trueline", "train", *words]


@pytest.mark.parametrize(
    ("worth_it", "command"),
    [("tie", (*TYPED, "--init", "houses", "--augment", "noise", "--no-stream")), ("hopeless", TYPED), ("yes", ())],
)
def test_the_command_is_one_that_can_be_typed(worth_it, command):
    advice = next_step(manifest(worth_it, "ridge", command=command))
    assert advice is not None
    _, name, *words = shlex.split(advice.command)
    subcommand = cli.get_command(click.Context(cli), name)
    assert subcommand is not None
    context = subcommand.make_context(name, words)
    assert "init" not in context.params or context.params["init"] is None


def test_the_options_that_are_told_apart_are_those_that_there_are():
    options = {
        name: {opt: p for p in cli.get_command(click.Context(cli), name).params for opt in (*p.opts, *p.secondary_opts)}
        for name in ("train", "inspect")
    }
    flags = {opt for opt, p in options["train"].items() if getattr(p, "is_flag", False)}
    about = {opt for opt, p in options["train"].items() if p.name in ABOUT_THE_VERSION}
    assert flags - about == set(FLAGS)
    both = {opt for opt in options["train"].keys() & options["inspect"].keys() if opt.startswith("--")}
    assert both - about == set(INSPECT_TAKES)
