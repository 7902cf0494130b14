"""Starting from an earlier version: what agrees answers as it did, the rest starts anew, and the figures say so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import polars as pl
import pytest

from artifact import manifest as files
from artifact.encoding import Encoded
from artifact.errors import ArtifactError, DataError, NotFoundError
from artifact.golden import Golden
from artifact.lineage import Ancestor, Init
from artifact.manifest import Manifest
from artifact.predictor import Predictor, target_offsets
from artifact.registry import Registry
from artifact.runtimes import Outputs
from artifact.schema import FeatureSchema
from tests.builders import build_manifest
from tests.training.conftest import mixed_table
from training.columns import encode_frame, records
from training.config import TrainConfig
from training.corrections import Corrections
from training.fit import fit
from training.fitted import Fitted
from training.folds import Fold
from training.loops.problem import Problem
from training.measure import answers
from training.prepare import Prepared, prepare
from training.request import Request
from training.train import Observer, train
from training.transfer.earlier import Earlier
from training.transfer.seen import share_seen
from training.transfer.settings import RATE_FACTOR, settings_from
from training.transfer.told import sentence

SMALL: dict[str, Any] = {"folds": 2, "repeats": 1, "hidden": (8, 8), "embedding_bins": 4}
TABLE = mixed_table(150)


class Version(NamedTuple):
    """A version in memory, and enough of it on disk to start from."""

    prepared: Prepared
    fitted: Fitted
    earlier: Earlier

    def value(self, frame: pl.DataFrame) -> Outputs:
        """What it answers to rows, in target units."""
        return in_units(self.prepared, self.fitted, encode_frame(frame, self.prepared.schema.lenient()))


def in_units(prepared: Prepared, fitted: Fitted, X: Encoded) -> Outputs:
    found = answers(fitted.model, X)
    offsets = target_offsets(prepared.schema)
    return found if offsets is None else found._replace(value=found.value + offsets)


class Still:
    """A loop that takes no steps."""

    def __init__(self, problem: Problem) -> None:
        self._variables = problem.core.trainable_variables

    def weights(self) -> list[np.ndarray]:
        return [np.array(keras.ops.convert_to_numpy(variable)) for variable in self._variables]

    def set_weights(self, weights: list[np.ndarray]) -> None:
        for variable, value in zip(self._variables, weights, strict=True):
            variable.assign(value)


def version(folder: Path, frame: pl.DataFrame = TABLE, target: str = "price", **given: Any) -> Version:
    """Networks whose weights are moved as if by training, and all that a start reads of them."""
    prepared = prepare(frame, Request("-", (target,), "m", TrainConfig(**{**SMALL, **given})))
    fitted = fit_for(prepared, 2, 0)
    rng = np.random.default_rng(0)
    for variable in fitted.model.trainable_weights:
        values = np.asarray(keras.ops.convert_to_numpy(variable))
        variable.assign(values + rng.normal(scale=0.1, size=values.shape))
    fitted.model.save(folder / files.KERAS_MODEL)
    rows = records(frame.head(20), prepared.schema)
    nothing = [[0.0]] * len(rows)
    golden = Golden(rows=rows, value=nothing, lower=nothing, upper=nothing)
    (folder / files.GOLDEN).write_text(golden.model_dump_json())
    (folder / files.SCHEMA).write_text(prepared.schema.model_dump_json())
    found, config = build_manifest(prepared.schema, "m", "1"), prepared.config
    lineage = {"config": config.model_dump(mode="json"), "rows": frame.height}
    update = {"family": config.model, "objective": config.objective}
    update["lineage"] = found.lineage.model_copy(update=lineage)
    found.model_copy(update=update).write(folder)
    return Version(prepared, fitted, opened(folder))


def opened(folder: Path) -> Earlier:
    schema = FeatureSchema.model_validate_json((folder / files.SCHEMA).read_bytes())
    return Earlier(folder, Manifest.read(folder), schema)


def started(earlier: Earlier, frame: pl.DataFrame, networks: int = 2, epochs: int = 0, **given: Any) -> Version:
    """Start from a version; by default without a step, of as many networks, with the earlier settings."""
    target = given.pop("target", "price")
    corrections = given.pop("corrections", Corrections())
    config = TrainConfig(**{"folds": 2, "repeats": 1, **given})
    prepared = prepare(frame, Request("-", (target,), "m", config, corrections), earlier)
    return Version(prepared, fit_for(prepared, networks, epochs), earlier)


def fit_for(prepared: Prepared, networks: int, epochs: int) -> Fitted:
    """On all rows, for some epochs."""
    everything = (Fold(np.arange(len(prepared.y)), np.zeros(0, np.int64)),) * networks
    with pytest.MonkeyPatch.context() as patch:
        if not epochs:
            # Where no step is taken, none need be compiled.
            patch.setattr("training.fit.open_loop", Still)
        return fit(
            prepared.schema,
            prepared.X,
            prepared.y,
            everything,
            prepared.config,
            repeats=networks,
            stop_at=epochs,
            earlier=prepared.earlier,
        )


def check_same(before: Version, after: Version, asked: pl.DataFrame, answered: pl.DataFrame | None = None) -> None:
    """Both answer alike, within what float32 holds of a deviation."""
    std = before.prepared.schema.targets[0].std
    old, new = before.value(answered if answered is not None else asked), after.value(asked)
    for name, ours in old._asdict().items():
        if ours is not None:
            np.testing.assert_allclose(getattr(new, name), ours, atol=2e-5 * std, rtol=2e-5)


@pytest.fixture(scope="module")
def mlp(tmp_path_factory: pytest.TempPathFactory) -> Version:
    return version(tmp_path_factory.mktemp("mlp"), model="mlp")


# Other rows, with another mean and deviation of the target and other medians and quantiles of the features.
OTHER = mixed_table(300, seed=5).filter((pl.col("price") > 90_000) & (pl.col("price") < 190_000))


@pytest.mark.parametrize(
    "given",
    [
        {"model": "mlp"},
        {"model": "tabm", "members": 3},
        {"model": "realmlp"},
        {"model": "mlp", "objective": "gaussian", "embedding_bins": 0},
        {"model": "mlp", "objective": "poisson"},
    ],
    ids=lambda given: "-".join(map(str, given.values())),
)
def test_a_start_on_other_rows_answers_as_the_earlier_version_did(tmp_path, given):
    before = version(tmp_path, **given)
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
    widths, found = np.ptp(old.quantiles, axis=2), np.ptp(new.quantiles, axis=2)
    np.testing.assert_allclose(found, widths, rtol=0.2)
    # Other levels are other outputs.
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


def test_columns_in_another_order_a_new_one_and_new_categories_change_nothing_yet(mlp):
    rng = np.random.default_rng(1)
    frame = OTHER.select(*reversed(OTHER.columns)).with_columns(
        noise=pl.Series(rng.normal(size=OTHER.height)),
        shop=pl.Series(rng.choice(["near", "far"], OTHER.height)),
        town=pl.when(pl.int_range(OTHER.height) % 3 == 0).then(pl.lit("Ripon")).otherwise(pl.col("town")),
    )
    after = started(mlp.earlier, frame)
    feature = after.prepared.schema.feature("town")
    assert feature.categories[:-1] == mlp.prepared.schema.feature("town").categories
    assert feature.categories[-1] == "Ripon"
    # The earlier version answers "Ripon" by its bucket for others.
    check_same(mlp, after, frame, frame.drop("noise", "shop"))
    init = after.fitted.init
    assert set(init.features_anew) == {"noise", "shop"}
    # New features are not left out: their weights move at once.
    learnt = started(mlp.earlier, frame, epochs=1)
    shuffled = frame.with_columns(noise=pl.col("noise").reverse())
    assert not np.array_equal(learnt.value(frame).value, learnt.value(shuffled).value)


def test_columns_that_are_gone_count_as_on_a_usual_row(mlp):
    gone = ["area", "garden", "town"]
    after = started(mlp.earlier, OTHER.drop(gone))
    top = mlp.prepared.schema.feature("town").categories[0]
    median = mlp.fitted.model.get_layer("preprocessing").center[0]
    usual = OTHER.with_columns(area=pl.lit(float(median)), garden=pl.lit(value=False), town=pl.lit(top))
    check_same(mlp, after, OTHER.drop(gone), usual)
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
    # A number in a column of categories is one of them, here an unseen one.
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
    told = sentence(init)
    assert told.startswith("Started from m:1: ")
    assert "weights agree; anew: hidden_1/kernel, hidden_1/bias, values/kernel, log_spreads/kernel." in told
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


def test_nothing_in_common_is_refused(mlp):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=60), "price": rng.normal(size=60)})
    with pytest.raises(DataError, match=r"agree with m:1, whose features are 'area'.*none of its features"):
        started(mlp.earlier, frame)


def test_settings_of_the_network_stay_and_the_rate_is_lower(mlp):
    config = settings_from(mlp.earlier, TrainConfig(), 20_000)
    assert (config.model, config.hidden, config.embedding_bins, config.embedding_activation) == ("mlp", (8, 8), 4, None)
    plain = TrainConfig(model="mlp").resolved(20_000)
    assert (config.epochs, config.folds) == (plain.epochs, plain.folds)
    assert config.learning_rate == pytest.approx(RATE_FACTOR * plain.learning_rate)
    assert settings_from(mlp.earlier, TrainConfig(learning_rate=0.5), 20_000).learning_rate == 0.5
    few = settings_from(mlp.earlier, TrainConfig(), 200)
    assert few.learning_rate == pytest.approx([RATE_FACTOR * r for r in TrainConfig().resolved(200).learning_rate])
    other = settings_from(mlp.earlier, TrainConfig(model="realmlp", objective="mae"), 20_000)
    assert (other.hidden, other.objective) == (TrainConfig(model="realmlp").resolved(20_000).hidden, "mae")
    with pytest.raises(DataError, match=r"--model among tabm, mlp, realmlp with --init\. Received: ridge"):
        settings_from(mlp.earlier, TrainConfig(model="ridge"), 200)


def test_the_start_may_be_the_best_there_is(trained):
    """On rows of the kind that the earlier version knows, and at a rate that only harms, epoch 0 is kept."""
    earlier = Earlier.find(trained.registry, "houses")
    config = TrainConfig(folds=2, repeats=1, learning_rate=3.0, epochs=2, clip_norm=0.0, warmup=0.0)
    prepared = prepare(OTHER, Request("-", ("price",), "m", config), earlier)
    folds = prepared.plan.folds
    fitted = fit(prepared.schema, prepared.X, prepared.y, folds, prepared.config, earlier=earlier)
    assert fitted.best_epochs == (0, 0)
    assert len(fitted.history["validation"]) == fitted.epochs == 2
    still = Version(prepared, fit_for(prepared, 2, 0), earlier)
    np.testing.assert_array_equal(Version(prepared, fitted, earlier).value(OTHER).value, still.value(OTHER).value)


def test_rows_that_were_seen_are_estimated_by_the_golden_ones(mlp):
    def share(frame: pl.DataFrame, **given: Any) -> float:
        prepared = prepare(frame, Request("-", ("price",), "m", TrainConfig(**given), time="sold" if given else None))
        return share_seen(mlp.earlier, prepared.frame, prepared.schema, prepared.plan)

    assert share(OTHER) == 0
    # All of its rows, and as many new ones: half of the table was seen.
    assert share(pl.concat([TABLE, mixed_table(150, seed=7)])) == pytest.approx(0.5)
    # Seen rows that only train do not flatter.
    older = TABLE.with_columns(sold=pl.col("sold").dt.offset_by("-50y"))
    assert share(pl.concat([older, mixed_table(400, seed=7)]), folds=1) == 0
    # A table that cannot be compared says nothing.
    assert share(OTHER.select("price", x=pl.int_range(OTHER.height) * 0.1)) == 0
    notes = prepare(TABLE, Request("-", ("price",), "m"), mlp.earlier).notes
    assert "The figures and intervals flatter: about 100% of the rows that measure" in notes[-1]
    notes = prepare(OTHER, Request("-", ("price",), "m"), mlp.earlier).notes
    assert "hold for rows that m:1 has not seen" in notes[-1]


def test_a_table_that_trained_it_or_its_ancestors_is_refused(mlp):
    def refused(init: Init | None, fingerprint: str) -> None:
        lineage = mlp.earlier.manifest.lineage.model_copy(update={"init": init})
        manifest = mlp.earlier.manifest.model_copy(update={"lineage": lineage})
        Earlier(mlp.earlier.folder, manifest, mlp.earlier.schema).refuse_its_own(fingerprint)

    grandparent = Ancestor(model_name="g", model_version="9", data_fingerprint="a" * 64)
    init = Init(model_name="g", model_version="9", agreed=("w",), anew=(), ancestors=(grandparent,))
    refused(init, "b" * 64)
    with pytest.raises(DataError, match=r"rows that m:1 has not seen\. Received: the table that trained m:1"):
        refused(None, "0" * 64)
    with pytest.raises(DataError, match="the table that trained g:9"):
        refused(init, "a" * 64)


def test_versions_that_cannot_be_started_from_are_told(trained, tmp_path):
    with pytest.raises(NotFoundError, match=r"Unknown model 'hauses'\. There are: 'houses'"):
        Earlier.find(trained.registry, "hauses")
    with pytest.raises(NotFoundError, match=rf"Unknown version '1' of 'houses'\. There are: '{trained.folder.name}'"):
        Earlier.find(trained.registry, "houses:1")
    copy = Registry(tmp_path)
    folder = copy.models / "houses" / trained.folder.name
    shutil.copytree(trained.folder, folder)
    manifest = Manifest.read(folder)
    manifest.model_copy(update={"family": "ridge"}).write(folder)
    with pytest.raises(DataError, match=r"family that is trained .*Received: houses:.*, of family ridge"):
        Earlier.find(copy, "houses")
    (folder / files.KERAS_MODEL).write_bytes(b"spoilt")
    with pytest.raises(ArtifactError, match=r"Expected model\.keras with sha256"):
        Earlier.find(copy, "houses")


@pytest.mark.parametrize("held_out", [False, True], ids=["folds", "refit"])
def test_a_version_from_a_version(trained, tmp_path, held_out):
    OTHER.write_csv(tmp_path / "new.csv")
    notes: list[str] = []
    config = TrainConfig(epochs=2, **({"folds": 1, "repeats": 2} if held_out else {"folds": 2, "repeats": 2}))
    request = Request(str(tmp_path / "new.csv"), ("price",), "started", config, init="houses")
    manifest = train(request, trained.registry, Observer(note=notes.append))
    init = manifest.lineage.init
    assert (init.model_name, init.model_version) == ("houses", trained.manifest.model_version)
    assert init.anew == ()
    assert init.seen == 0
    assert init.ancestors[0].data_fingerprint == trained.manifest.lineage.data_fingerprint
    assert sentence(init) in notes
    assert sentence(init) in manifest.notes
    assert manifest.lineage.config["init"] == "houses"
    assert manifest.lineage.config["hidden"] == [32]
    # Two epochs from nothing do not come near it.
    assert manifest.metrics["price"]["r2"] > 0.5
    Predictor.load(trained.registry.resolve("started").path)
    again = Request(str(trained.data), ("price",), "started", config, init="started")
    with pytest.raises(DataError, match="the table that trained houses:"):
        train(again, trained.registry)


def test_jax_starts_from_a_version_of_tensorflow(mlp):
    code = (
        "import pathlib, sys\n"
        "import numpy as np\n"
        "from tests.training import test_transfer as t\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "after = t.started(t.opened(folder), t.OTHER)\n"
        "np.save(folder / 'jax.npy', after.value(t.OTHER).value)\n"
    )
    folder = mlp.earlier.folder
    command = [sys.executable, "-c", code, str(folder)]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    std = mlp.prepared.schema.targets[0].std
    np.testing.assert_allclose(np.load(folder / "jax.npy"), mlp.value(OTHER).value, atol=2e-5 * std)
