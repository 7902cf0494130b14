"""Parts that an earlier version and a start have in common answer as before; the others start anew."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.training.transfer.conftest import OTHER, TABLE, check_same, started, version
from training.table.corrections import Corrections
from training.transfer.sentence import sentence


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "mlp"},
        {"model": "tabm", "members": 3},
        {"model": "realmlp"},
        {"model": "mlp", "objective": "gaussian", "embedding_bins": 0},
        {"model": "mlp", "objective": "poisson"},
        {"model": "linear", "objective": "mae"},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_a_start_on_other_rows_answers_as_the_earlier_version_did(tmp_path, settings):
    before = version(tmp_path, **settings)
    after = started(before.earlier, OTHER)
    assert after.prepared.schema.targets[0].std < 0.7 * before.prepared.schema.targets[0].std
    assert np.ptp(before.value(OTHER).value) > 0
    check_same(before, after, OTHER)
    assert after.fitted.init is not None
    assert after.fitted.init.anew == ()


def test_quantiles_keep_their_middle_and_with_the_same_scale_all(tmp_path):
    before = version(tmp_path, model="mlp", objective="quantile", quantiles=(0.1, 0.5, 0.9))
    check_same(before, started(before.earlier, TABLE), TABLE)
    after = started(before.earlier, OTHER)
    old, new = before.value(OTHER), after.value(OTHER)
    std = before.prepared.schema.targets[0].std
    np.testing.assert_allclose(new.value, old.value, atol=2e-5 * std)
    assert old.quantiles is not None and new.quantiles is not None
    widths, new_widths = np.ptp(old.quantiles, axis=2), np.ptp(new.quantiles, axis=2)
    np.testing.assert_allclose(new_widths, widths, rtol=0.2)
    # Outputs of other levels do not agree.
    init = started(before.earlier, TABLE, quantiles=(0.2, 0.5, 0.8)).fitted.init
    assert init.anew == ("values/kernel", "values/bias")


def test_a_target_far_from_zero_keeps_its_place(tmp_path):
    frame = TABLE.with_columns(price=pl.col("price") + 1e7)
    before = version(tmp_path, frame, model="mlp")
    other = OTHER.with_columns(price=pl.col("price") + 1e7)
    after = started(before.earlier, other)
    offsets = [v.prepared.schema.targets[0].offset for v in (before, after)]
    assert min(offsets) > 0
    assert offsets[0] != offsets[1]
    check_same(before, after, other)


def test_columns_in_another_order_a_new_one_and_new_categories_change_nothing_yet(before):
    rng = np.random.default_rng(1)
    frame = OTHER.select(*reversed(OTHER.columns)).with_columns(
        noise=pl.Series(rng.normal(size=OTHER.height)),
        shop=pl.Series(rng.choice(["near", "far"], OTHER.height)),
        town=pl.when(pl.int_range(OTHER.height) % 3 == 0).then(pl.lit("Ripon")).otherwise(pl.col("town")),
    )
    after = started(before.earlier, frame)
    feature = after.prepared.schema.feature("town")
    assert feature.categories[:-1] == before.prepared.schema.feature("town").categories
    assert feature.categories[-1] == "Ripon"
    # The earlier version answers "Ripon" by its bucket for others.
    check_same(before, after, frame, frame.drop("noise", "shop"))
    init = after.fitted.init
    assert set(init.features_anew) == {"noise", "shop"}
    # New features are not left out: their weights move at once.
    learnt = started(before.earlier, frame, epochs=1)
    shuffled = frame.with_columns(noise=pl.col("noise").reverse())
    assert not np.array_equal(learnt.value(frame).value, learnt.value(shuffled).value)


def test_columns_that_are_gone_count_as_on_a_usual_row(before):
    removed = ["area", "garden", "town"]
    after = started(before.earlier, OTHER.drop(removed))
    top = before.prepared.schema.feature("town").categories[0]
    median = before.fitted.model.get_layer("preprocessing").center[0]
    usual = OTHER.with_columns(area=pl.lit(float(median)), garden=pl.lit(value=False), town=pl.lit(top))
    check_same(before, after, OTHER.drop(removed), usual)
    assert after.fitted.init.features_left == ("area", "town", "garden")


def test_a_column_of_another_kind_or_far_away_starts_anew(mlp):
    frame = OTHER.with_columns(
        area=pl.col("area") * 1e4,
        postcode=pl.int_range(OTHER.height) * 0.37,
        rooms=pl.when(pl.col("rooms") > 3).then(pl.lit("many")).otherwise(pl.lit("few")),
    )
    corrections = Corrections.model_validate({"features": {"postcode": {"kind": "number"}}})
    after = started(mlp.earlier, frame, corrections=corrections)
    assert after.fitted.init.features_anew == ("area", "rooms", "postcode")
    center = after.fitted.model.get_layer("preprocessing").center
    assert center[0] > 1e5


def test_rows_that_show_little_of_a_column_do_not_take_it_away(mlp):
    frame = OTHER.filter(pl.col("town") == "York").with_columns(rooms=pl.lit(3), postcode=pl.lit(1))
    after = started(mlp.earlier, frame)
    assert after.prepared.schema.names == mlp.prepared.schema.names
    assert after.prepared.schema.feature("town").categories == mlp.prepared.schema.feature("town").categories
    # A number in a column of categories is a category, here an unseen one.
    assert after.prepared.schema.feature("postcode").kind == "category"
    check_same(mlp, after, frame, frame.with_columns(postcode=pl.lit("1")))


def test_more_networks_and_members_take_the_earlier_ones_in_turn_and_fewer_the_first(tmp_path):
    before = version(tmp_path, model="tabm", members=2)
    check_same(before, started(before.earlier, OTHER, networks=4), OTHER)
    check_same(before, started(before.earlier, OTHER, members=4), OTHER)
    one = started(before.earlier, OTHER, networks=1)
    kernels = [
        next(np.asarray(w) for w in v.fitted.model.trainable_weights if w.path.endswith("hidden_1/kernel"))
        for v in (before, one)
    ]
    np.testing.assert_array_equal(kernels[1], kernels[0][:1])


def test_another_target_family_or_objective_keeps_what_agrees(mlp):
    frame = OTHER.with_columns(rent=pl.col("price") / 200).drop("price")
    init = started(mlp.earlier, frame, target="rent").fitted.init
    assert init.anew == ("values/kernel", "values/bias", "log_spreads/kernel", "log_spreads/bias")
    init = started(mlp.earlier, OTHER, objective="gaussian").fitted.init
    assert init.anew == ("log_spreads/kernel", "log_spreads/bias")
    init = started(mlp.earlier, OTHER, objective="poisson").fitted.init
    assert init.anew == ("values/kernel", "values/bias", "log_spreads/kernel", "log_spreads/bias")
    init = started(mlp.earlier, OTHER, model="tabm", members=2).fitted.init
    assert init.anew == ("members/scale",)
    init = started(mlp.earlier, OTHER, hidden=(8, 4)).fitted.init
    assert init.anew == ("hidden_1/kernel", "hidden_1/bias", "values/kernel", "log_spreads/kernel")
    note = sentence(init)
    assert note.startswith("Started from m:1: ")
    assert "weights agree; starting anew: hidden_1/kernel, hidden_1/bias, values/kernel, log_spreads/kernel." in note
    init = started(mlp.earlier, OTHER, model="linear", objective="mae").fitted.init
    assert set(init.agreed) == {"categories/table_0", "categories/table_1"}
    init = started(mlp.earlier, OTHER, embedding_dim=3).fitted.init
    assert init.anew == ("embedding/bins", "embedding/slope", "embedding/bias")


def test_other_bins_are_cut_anew_and_what_stands_beside_them_stays(mlp):
    after = started(mlp.earlier, OTHER, embedding_bins=6)
    old, new = (
        {"/".join(w.path.split("/")[-2:]): np.asarray(w) for w in v.fitted.model.trainable_weights}
        for v in (mlp, after)
    )
    area = 0
    assert new["embedding/bins"].shape[2] > old["embedding/bins"].shape[2]
    assert not new["embedding/bins"][:, area].any()
    np.testing.assert_array_equal(new["embedding/slope"], old["embedding/slope"])
