"""The effect of augmentation: pairs of repeats that differ in nothing else, compared on rows that neither has seen."""

import json

import numpy as np
import pytest

from artifact.errors import DataError
from artifact.runtimes import Outputs
from tests.training.conftest import mixed_table
from tests.training.test_fit import fit, settings
from tests.training.test_train import train_frame
from training.fit.augmentation_effect import effect_of
from training.fit.population import Population
from training.settings.config import TrainConfig
from training.table.folds import Plan, all_rows, cross_validation
from training.table.split import split_random
from trueline.terminal.tables import result_tables

N = 600
RNG = np.random.default_rng(0)
Y = RNG.normal(size=(N, 1))


def test_each_repeat_gets_a_neighbour_that_differs_in_augmentation_alone():
    plain = TrainConfig().resolved(1000)
    config = TrainConfig(augment="noise,mixup", noise=[0.05, 0.3]).resolved(1000)
    assert config.repeats == 2 * plain.repeats
    assert config.noise == (0.0, 0.05, 0.0, 0.3)
    assert config.mixup == (0.0, 0.2)
    for name in ("dropout", "learning_rate"):
        assert getattr(config, name)[::2] == getattr(config, name)[1::2] == getattr(plain, name)
    assert config.resolved(1000) == config
    again = TrainConfig(**json.loads(config.model_dump_json()))
    assert again.resolved(1000) == config
    one = TrainConfig(augment="mixup", preset="fast").resolved(20_000)
    assert (one.repeats, one.mixup, one.noise) == (2, (0.0, 0.2), TrainConfig().noise)


def test_neighbours_have_the_same_folds_and_the_others_those_they_had():
    plain, pairs = cross_validation(N, 3, 2, 0), cross_validation(N, 3, 4, 0, alike=2)
    for i in range(3):
        for at, expected in ((i, i), (3 + i, i), (6 + i, 3 + i), (9 + i, 3 + i)):
            np.testing.assert_array_equal(pairs.folds[at].validation, plain.folds[expected].validation)
            np.testing.assert_array_equal(pairs.folds[at].train, plain.folds[expected].train)


def networks(config: TrainConfig, plan: Plan) -> Population:
    config = config.model_copy(update={"learning_rate": 0.01, "dropout": 0.0, "weight_decay": 0.0})
    return Population.of(config, plan.folds, plan.repeats or len(plan.folds))


def answers(plan: Plan, errors: list[float]) -> list[Outputs]:
    """Answers of networks whose errors have these deviations, by repeat."""
    own, common = np.repeat(errors, len(plan.folds) // len(errors)), RNG.normal(size=Y.shape)
    outputs = [
        (Y + e * (common + RNG.normal(0, 0.3, Y.shape)))[fold.validation]
        for e, fold in zip(own, plan.folds, strict=True)
    ]
    return [Outputs(value.astype(np.float32), None) for value in outputs]


@pytest.mark.parametrize(
    ("with_it", "served", "says", "who"),
    [
        (0.8, (1,), "lower than without (95%", "the networks with it are served"),
        (1.25, (0,), "higher than without (95%", "the networks without it are served"),
        (1.0, (0, 1), "than without, within chance (95%", "networks of both kinds are served"),
    ],
)
def test_the_effect_is_a_paired_ratio_of_errors_out_of_fold(with_it, served, says, who):
    plan = cross_validation(N, 3, 2, 0, alike=2)
    config = TrainConfig(augment="noise", noise=(0.0, 0.1))
    effect = effect_of(networks(config, plan), answers(plan, [1.0, with_it]), Y, served)
    assert effect.ratio == pytest.approx(with_it, rel=0.06)
    # The common part of the errors cancels: without pairs the interval would be some 12% wide on each side.
    assert 0.02 < effect.high - effect.low < 0.12
    assert (effect.metric, effect.rows, effect.amounts) == ("rmse", N, "noise 0.1")
    assert effect.sentence.startswith("Augmentation (noise 0.1): RMSE ")
    assert says in effect.sentence
    assert effect.sentence.endswith(f"600 rows out of fold); {who}.")


def test_as_many_networks_of_each_kind_are_compared_and_weights_count():
    plan = cross_validation(N, 3, 3, 0, alike=3)
    config = TrainConfig(augment="noise", noise=(0.0, 0.1, 0.3))
    outputs = answers(plan, [1.0, 0.5, 9.0])
    assert effect_of(networks(config, plan), outputs, Y, (1,)).ratio == pytest.approx(0.5, rel=0.06)
    half = np.where(np.arange(N) < N // 2, 2.0, 0.0)
    pairs = zip(outputs, plan.folds, strict=True)
    spoilt = [Outputs(answer.value + 50 * (half[fold.validation] == 0)[:, None], None) for answer, fold in pairs]
    mixed = outputs[:3] + spoilt[3:]
    assert effect_of(networks(config, plan), mixed, Y, (1,), half).ratio == pytest.approx(0.5, rel=0.1)
    assert effect_of(networks(config, plan), mixed, Y, (1,)).ratio > 5
    everyone = TrainConfig(augment="noise", noise=0.1)
    assert effect_of(networks(everyone, plan), outputs, Y, (1,)) is None


def test_with_held_out_rows_the_validation_rows_tell():
    parts = split_random(N, {"test": 0.1, "calibration": 0.1, "validation": 0.5}, 0)
    plan = Plan.held_out(parts, 2)
    config = TrainConfig(augment="mixup", mixup=(0.0, 0.4), objective="mae")
    effect = effect_of(networks(config, plan), answers(plan, [1.0, 0.5]), Y, (1,))
    assert effect.rows == len(parts.validation)
    assert effect.ratio == pytest.approx(0.5, rel=0.06)
    assert effect.sentence.startswith("Augmentation (mixup 0.4): MAE ")
    assert f"{len(parts.validation)} validation rows" in effect.sentence


def test_networks_without_augmentation_are_those_that_train_without_it_and_all_is_the_same_again():
    plan = cross_validation(120, 2, 2, 0, alike=2)
    both = {"augment": "noise,mixup", "noise": 0.3, "mixup": 1.0}
    runs = [
        fit(
            plan.folds,
            settings(model="mlp", dropout=0.1, learning_rate=0.01, repeats=1, **more),
            repeats=2,
            stop_at=4,
        )
        for more in ({}, both, both)
    ]
    plain, first, again = ([outputs.value for outputs in run.unseen] for run in runs)
    for i in range(4):
        np.testing.assert_array_equal(first[i], again[i])
        assert np.array_equal(first[i], plain[i]) == (i < 2)


def test_networks_that_are_trained_once_more_keep_their_own_amounts():
    config = TrainConfig(augment="noise", noise=0.2, repeats=2, preset="fast").resolved(1000)
    plan = Plan.held_out(split_random(N, {"test": 0.1, "calibration": 0.1, "validation": 0.1}, 0), 4)
    population = Population.of(config, plan.folds, 4).some((0, 3)).on(all_rows(N))
    assert [network.noise for network in population.networks] == [0.0, 0.2]
    assert population.learning_rates == [config.learning_rate[0], config.learning_rate[3]]
    assert population.numbers == (0, 3)
    assert population.repeats == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"augment": "blur"}, "'noise' or 'mixup'. Received: augment.0='blur'"),
        ({"augment": ["noise", "cutout"]}, "'noise' or 'mixup'. Received: augment.1='cutout'"),
        ({"augment": "noise", "model": "ridge"}, "Expected no augment for model=ridge, which is solved for"),
        (
            {"augment": "mixup", "model": "linear"},
            "Received: augment=mixup. Take a network: --model tabm, realmlp or mlp",
        ),
        ({"augment": "noise", "noise": 0}, "Expected noise above 0 with augment=noise"),
        ({"augment": "noise", "mixup": 0.5}, "Expected --augment mixup with mixup=0.5"),
        ({"noise": 0.5}, "Expected --augment noise with noise=0.5"),
        ({"augment": "noise", "noise": -1}, "noise"),
    ],
)
def test_what_cannot_be_is_one_sentence(settings, message):
    with pytest.raises(DataError, match=message.replace("(", r"\(")):
        TrainConfig.build(None, settings)


def test_augment_takes_names_with_commas_or_a_list():
    assert TrainConfig.build(None, {"augment": "noise, mixup"}).augment == ("noise", "mixup")
    assert TrainConfig.build(None, {"augment": ["mixup"]}).augment == ("mixup",)
    assert TrainConfig.build(None, {"augment": ""}).augment == ()
    # This family is trained by epochs, not solved for.
    assert TrainConfig(model="linear", objective="mae", augment="noise").augment == ("noise",)


def test_notes_result_and_report_say_what_it_was_worth(tmp_path):
    config = TrainConfig(
        model="mlp", folds=2, repeats=1, epochs=3, hidden=(8,), embedding_bins=4, augment="noise,mixup", noise=0.05
    )
    registry, manifest = train_frame(mixed_table(120), tmp_path, ("price",), config=config)
    effect = manifest.augmentation
    assert effect.amounts == "noise 0.05, mixup 0.2"
    assert (effect.rows, effect.metric) == (120, "rmse")
    assert manifest.lineage.parts["repeats"] == 2
    assert manifest.lineage.config["noise"] == [0.0, 0.05]
    assert effect.sentence in manifest.notes
    assert effect.sentence in list(result_tables(manifest))
    report = registry.resolve("m").path / "report"
    assert json.loads((report / "report.json").read_text())["augmentation"]["ratio"] == effect.ratio
    page = (report / "report.html").read_text()
    assert page.count(effect.sentence) == 2
    assert f"<td>{effect.ratio:.3f}</td>" in page
