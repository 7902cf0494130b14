"""The report: the same figures in JSON, on the page and in its pictures; it survives whatever a table brings."""

from __future__ import annotations

import html
import json
import math
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

from artifact.rows.encoding import Encoded
from artifact.rows.schema import Feature, FeatureSchema, Target
from artifact.runtimes import Outputs
from tests.builders import HOUSE_FEATURES, plain_features
from training.evaluation.advice import next_step
from training.evaluation.verdict import paired_ratios
from training.report.dependence import partial_dependence
from training.report.drawing import Picture
from training.report.html import image, table
from training.report.importance import permutation_importance
from training.report.pictures import without_spikes
from training.report.sample import Sample, affordable
from training.settings.config import TrainConfig


class FakePredictor:
    """A network that is known: a function of the encoded columns."""

    def __init__(self, features, function, parameters=100, members=1, targets=1):
        names = ["y", "z"][:targets]
        self.schema = FeatureSchema(
            features=features, targets=tuple(Target(name=n, minimum=-50, maximum=50, std=10) for n in names)
        )
        self.function = function
        self.rows = 0
        lineage = SimpleNamespace(config={"members": members})
        self.manifest = SimpleNamespace(parameters=parameters, lineage=lineage)

    def run(self, numeric, categorical):
        self.rows += len(numeric)
        return Outputs(self.function(numeric, categorical).astype(np.float32).reshape(len(numeric), -1), None)


def sample_of(predictor, n=500, seed=0):
    rng = np.random.default_rng(seed)
    width = len(predictor.schema.numeric_columns)
    codes = [rng.integers(0, c, n) for c in predictor.schema.cardinalities]
    categorical = np.stack(codes, axis=1) if codes else np.zeros((n, 0))
    X = Encoded(rng.normal(size=(n, width)).astype(np.float32), categorical.astype(np.int32))
    y = predictor.run(X.numeric, X.categorical).value.astype(np.float64)
    predictor.rows = 0
    return Sample(X, y, "test rows")


def test_importance_is_what_shuffling_costs():
    predictor = FakePredictor(plain_features(4), lambda X, c: 3 * X[:, 1] + X[:, 3])
    importance = permutation_importance(predictor, sample_of(predictor), seed=0)
    assert importance.features[:2] == ("f1", "f3")
    assert importance.increase.shape == (4, 5, 1)
    # Two draws of the same feature differ by sqrt(2) of its deviation.
    assert importance.increase[0].mean() == pytest.approx(3 * math.sqrt(2), rel=0.1)
    assert importance.increase[1].mean() == pytest.approx(math.sqrt(2), rel=0.1)
    assert not importance.increase[2:].any()


def test_the_columns_of_a_date_move_together():
    # Of a shuffled date that keeps its parts together, days and season still agree.
    feature = Feature(name="sold", kind="datetime", parts=("days", "season_sin"))
    other = plain_features(1)
    predictor = FakePredictor((feature, *other), lambda X, c: 100 * np.abs(X[:, 0] - X[:, 1]))
    sample = sample_of(predictor)
    sample.X.numeric[:, 1] = sample.X.numeric[:, 0]
    sample.y[:] = 0
    assert not permutation_importance(predictor, sample, seed=0).increase.any()


def test_a_thousand_features_and_a_large_network_stay_within_bounds():
    predictor = FakePredictor(plain_features(1000), lambda X, c: 5 * X[:, 700] + X[:, 3], parameters=2_000_000)
    importance = permutation_importance(predictor, sample_of(predictor, 2000), seed=0)
    assert importance.n_features == 1000
    assert importance.features[0] == "f700"
    assert len(importance.features) <= 40
    assert predictor.rows <= max(affordable(predictor), 200 * 10 * 2) + 2000


def test_dependence_follows_the_network_and_spreads_with_the_rows():
    predictor = FakePredictor(plain_features(2), lambda X, c: X[:, 0] ** 2 + X[:, 1])
    (one, other) = partial_dependence(predictor, sample_of(predictor), ("f0", "f1"))
    np.testing.assert_allclose(one.mean[:, 0] - one.mean[:, 0].min(), one.at**2 - (one.at**2).min(), atol=1e-4)
    # The 10th to 90th percentile of a normal value.
    np.testing.assert_allclose(one.high - one.low, 2.56, atol=0.3)
    assert one.count.sum() == pytest.approx(490, abs=5)
    assert (np.diff(other.mean[:, 0]) > 0).all()


def test_dependence_of_every_kind_of_feature():
    predictor = FakePredictor(HOUSE_FEATURES, lambda X, c: X[:, 0] + c[:, 0], targets=1)
    names = tuple(f.name for f in HOUSE_FEATURES)
    sample = sample_of(predictor)
    by_feature = {one.feature: one for one in partial_dependence(predictor, sample, names[1:])}
    assert list(by_feature) == list(names[1:7])
    assert by_feature["garden"].labels == ("false", "true")
    assert set(by_feature["town"].labels) == {"(missing)", "(other)", "Leeds", "York"}
    leeds = by_feature["town"].labels.index("Leeds")
    york = by_feature["town"].labels.index("York")
    assert by_feature["town"].mean[york, 0] - by_feature["town"].mean[leeds, 0] == pytest.approx(1, abs=1e-5)
    assert by_feature["sold"].at.min() > 1.5e9


def test_dependence_of_a_feature_that_is_always_missing_or_constant_does_not_fail():
    predictor = FakePredictor(plain_features(2), lambda X, c: np.nan_to_num(X[:, 1]))
    sample = sample_of(predictor)
    sample.X.numeric[:, 0] = np.nan
    sample.X.numeric[:, 1] = 7
    (dependence,) = partial_dependence(predictor, sample, ("f0", "f1"))
    assert (dependence.feature, dependence.at.tolist(), dependence.count.tolist()) == ("f1", [7.0], [500.0])


def test_page_json_and_pictures_say_the_same(trained):
    folder = trained.folder / "report"
    page = (folder / "report.html").read_text(encoding="utf-8")
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    pictures = {p.name for p in folder.glob("*.png")}
    assert pictures == {"learning.png", "predictions.png", "intervals.png", "importance.png", "dependence.png"}
    assert page.count("data:image/png;base64,") == len(pictures)
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert set(content["error_ratios"]) == set(trained.manifest.baselines)
    best = content["error_ratios"][trained.manifest.verdict.best_baseline]
    assert best["low"] == trained.manifest.verdict.low
    assert f"{best['ratio']:.3f}" in page
    levels = content["coverage_by_level"]["price"]
    assert len(levels) == 10
    at = next(entry for entry in levels if entry["level"] == 0.9)
    assert at["covered"] == trained.manifest.coverage.covered["price"]
    assert at["low"] <= at["covered"] <= at["high"]
    assert [entry["mean_width"] for entry in levels] == sorted(entry["mean_width"] for entry in levels)
    assert next(iter(content["importance"]["rmse_increase"])) == "area"
    assert content["dependence"][0]["feature"] == "area"
    assert {"train_low", "train_high", "validation_low", "validation_high"} <= set(content["history"])
    assert all(len(values) == 15 for values in content["history"].values())


def test_the_table_stands_at_the_top_and_the_next_command_below_the_verdict(trained):
    folder = trained.folder / "report"
    page = (folder / "report.html").read_text(encoding="utf-8")
    overview = json.loads((folder / "report.json").read_text(encoding="utf-8"))["table"]
    manifest = trained.manifest
    assert (overview["rows"], overview["data"]) == (manifest.lineage.rows, manifest.lineage.data)
    assert len(overview["columns"]) == manifest.lineage.columns
    note_sentences = [a["sentence"] for a in overview["alerts"] if a["kind"] in ("note", "left out")]
    assert set(note_sentences) <= set(manifest.notes)
    checks = [a["sentence"] for a in overview["alerts"] if a["sentence"] not in note_sentences]
    assert all(html.escape(sentence) in page for sentence in checks)
    advice = next_step(manifest)
    command = html.escape(advice.command) if advice else "<nav>"
    places = [
        page.index(part) for part in (html.escape(manifest.verdict.sentence), command, 'id="table"', 'id="against"')
    ]
    assert advice is None or places == sorted(places)


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.ids: set[str | None] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.ids.add(attributes.get("id"))
        if tag == "a":
            self.links.append(attributes["href"])
        if tag == "img":
            self.images.append(attributes)
        elif tag not in ("meta", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_every_picture_has_an_alternative(trained):
    tags = _Tags()
    tags.feed((trained.folder / "report" / "report.html").read_text(encoding="utf-8"))
    assert not tags.open
    assert all(len(image["alt"]) > 20 for image in tags.images)
    assert all(link[1:] in tags.ids for link in tags.links)


def test_the_ratio_to_each_baseline_is_paired():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(400, 1))
    noise = rng.normal(size=(400, 1))
    ratios = paired_ratios(y, y + noise, {"mean": y * 0, "same": y + noise, "double": y + 2 * noise}, TrainConfig())
    assert ratios["same"] == (1, 1, 1)
    np.testing.assert_allclose(ratios["double"], 0.5)
    assert ratios["mean"][1] < ratios["mean"][0] < ratios["mean"][2]


def test_names_are_text_and_no_markup():
    markup = table(["a<b>"], [["<i>&"]], ours="<i>&")
    assert "&lt;i&gt;&amp;" in markup
    assert "<i>" not in markup
    assert "<b>" not in image(Picture("x.png", "learning", 'of "<b>"', b"-"))


def test_one_leap_of_a_likelihood_does_not_hide_the_other_epochs():
    quiet = np.linspace(2.0, -1.0, 50)
    assert without_spikes(quiet, (-1.2, 2.2)) == (-1.2, 2.2)
    bottom, top = without_spikes(np.append(quiet, 17_000.0), (-800.0, 17_800.0))
    assert bottom < -1.0
    assert 2.0 < top < 5.0
