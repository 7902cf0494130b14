"""The versions that allow a start, the rows that they have seen, and training from a start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import polars as pl
import pytest

from artifact import manifest as files
from artifact.errors import ArtifactError, DataError, NotFoundError
from artifact.lineage import Ancestor, Init
from artifact.manifest import Manifest
from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from tests.training.conftest import mixed_table
from tests.training.fits import fit_on
from tests.training.transfer.conftest import OTHER, TABLE, Version, fit_for, started
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.train import Observer, train
from training.transfer.earlier import Earlier
from training.transfer.seen import seen_note, share_seen
from training.transfer.sentence import sentence
from training.transfer.settings import RATE_FACTOR, settings_from


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
    with pytest.raises(DataError, match=r"--model among tabm, realmlp, mlp with --init\. Received: ridge"):
        settings_from(mlp.earlier, TrainConfig(model="ridge"), 200)


def test_a_line_that_is_trained_can_be_started_from_and_one_that_is_solved_for_cannot(mlp, line):
    assert settings_from(mlp.earlier, TrainConfig(model="linear", objective="mae"), 200).model == "linear"
    assert settings_from(line.earlier, TrainConfig(), 200).model == "linear"
    with pytest.raises(DataError, match=r"--model among tabm, realmlp, mlp with --init\. Received: linear, which"):
        settings_from(line.earlier, TrainConfig(objective="mse"), 200)


def test_the_start_may_be_the_best_there_is(trained):
    """On rows that the earlier version knows well, and at a rate that is far too high, epoch 0 is kept."""
    earlier = Earlier.find(trained.registry, "houses")
    config = TrainConfig(folds=2, repeats=1, learning_rate=3.0, epochs=2, clip_norm=0.0, warmup=0.0)
    prepared = prepare(OTHER, Request("-", ("price",), "m", config), earlier)
    fitted = fit_on(prepared, prepared.plan.folds)
    assert fitted.best_epochs == (0, 0)
    assert len(fitted.history["validation"]) == fitted.epochs == 2
    still = Version(prepared, fit_for(prepared, 2, 0), earlier)
    np.testing.assert_array_equal(Version(prepared, fitted, earlier).value(OTHER).value, still.value(OTHER).value)


def test_rows_that_were_seen_are_estimated_by_the_golden_ones(mlp):
    def share(frame: pl.DataFrame, **fields: Any) -> float:
        prepared = prepare(frame, Request("-", ("price",), "m", TrainConfig(**fields), time="sold" if fields else None))
        return share_seen(mlp.earlier, prepared.frame, prepared.schema, prepared.plan)

    assert share(OTHER) == 0
    # The table has all rows that trained it, and as many new ones: half of the table was seen.
    assert share(pl.concat([TABLE, mixed_table(150, seed=7)])) == pytest.approx(0.5)
    # Seen rows that only train do not make figures too good.
    older = TABLE.with_columns(sold=pl.col("sold").dt.offset_by("-50y"))
    assert share(pl.concat([older, mixed_table(400, seed=7)]), folds=1) == 0
    # A table that cannot be compared gives 0.
    assert share(OTHER.select("price", x=pl.int_range(OTHER.height) * 0.1)) == 0
    for table, seen, what in ((TABLE, 1, "intervals are too good"), (OTHER, 0, "hold for rows that m:1 has not seen")):
        prepared = prepare(table, Request("-", ("price",), "m"), mlp.earlier)
        assert prepared.share_seen == pytest.approx(seen)
        assert prepared.notes[-1] == seen_note(mlp.earlier, prepared.share_seen)
        assert what in prepared.notes[-1]


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


def test_versions_that_cannot_be_started_from_are_refused(trained, tmp_path):
    with pytest.raises(NotFoundError, match=r"Unknown model 'hauses'\. There are: 'houses'"):
        Earlier.find(trained.registry, "hauses")
    with pytest.raises(NotFoundError, match=rf"Unknown version '1' of 'houses'\. There are: '{trained.folder.name}'"):
        Earlier.find(trained.registry, "houses:1")
    copy = LocalRegistry(tmp_path)
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
    # Two epochs from random weights are far from it.
    assert manifest.metrics["price"]["r2"] > 0.5
    Predictor.load(trained.registry.resolve("started").path)
    again = Request(str(trained.data), ("price",), "started", config, init="started")
    with pytest.raises(DataError, match="the table that trained houses:"):
        train(again, trained.registry)


def test_jax_starts_from_a_version_of_tensorflow(mlp):
    code = (
        "import pathlib, sys\n"
        "import numpy as np\n"
        "from tests.training.transfer import conftest as t\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "after = t.started(t.opened(folder), t.OTHER)\n"
        "np.save(folder / 'jax.npy', after.value(t.OTHER).value)\n"
    )
    folder = mlp.earlier.folder
    command = [sys.executable, "-c", code, str(folder)]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr[-2000:]
    std = mlp.prepared.schema.targets[0].std
    np.testing.assert_allclose(np.load(folder / "jax.npy"), mlp.value(OTHER).value, atol=2e-5 * std)
