import pytest

from artifact.errors import DataError
from training.settings.config import TrainConfig
from training.settings.text import parse_setting


def test_file_then_settings(tmp_path):
    path = tmp_path / "train.toml"
    path.write_text("epochs = 3\ndropout = 0.2\n")
    config = TrainConfig.build(path, {"epochs": 5})
    assert (config.epochs, config.dropout) == (5, 0.2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"droput": 0.1}, r"Unknown setting 'droput'. There are: 'dropout'"),
        ({"dropout": 1.5}, r"Received: dropout=1.5"),
        ({"model": "mpl"}, r"Received: model='mpl'"),
        ({"hidden": []}, r"hidden"),
        ({"test_fraction": 0.4, "calibration_fraction": 0.4, "validation_fraction": 0.4}, "at most 0.8"),
    ],
)
def test_a_wrong_setting_is_one_sentence(settings, message):
    with pytest.raises(DataError, match=message):
        TrainConfig.build(None, settings)


def test_an_unreadable_file_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match="readable TOML"):
        TrainConfig.build(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epochs=3", ("epochs", 3)),
        ("hidden=[64, 32]", ("hidden", [64, 32])),
        ("model=linear", ("model", "linear")),
        ("a=b=c", ("a", "b=c")),
    ],
)
def test_settings_are_read_as_toml_or_text(text, expected):
    assert parse_setting(text) == expected


def test_a_setting_needs_a_value():
    with pytest.raises(DataError, match="KEY=VALUE"):
        parse_setting("epochs")


@pytest.mark.parametrize("n_train", [10, 300, 12_000, 100_000, 2_000_000])
def test_resolved_settings_bound_the_work(n_train):
    config = TrainConfig().resolved(n_train)
    steps = config.epochs * max(1, n_train // config.batch_size)
    by_rows = {"test_fraction", "calibration_fraction", "validation_fraction", "alpha", "l1_ratio"}
    # No activation is a value that a user can choose.
    assert None not in config.model_dump(exclude=by_rows | {"embedding_activation"}).values()
    assert steps <= 20_000
    assert config.batch_size <= n_train


@pytest.mark.parametrize(
    ("model", "n_rows", "n_numeric", "expected"),
    [
        ("tabm", 10_000, 0, (48, 16)),
        ("tabm", 10_000, 1, (256, 32)),
        ("mlp", 10_000, 4, (256, 32)),
        ("tabm", 10_000, 5, (128, 16)),
        ("tabm", 10_000, 8, (80, 16)),
        ("tabm", 10_000, 50, (48, 16)),
        ("mlp", 1_000, 4, (32, 8)),
        ("realmlp", 10_000, 4, (48, 4)),
    ],
)
def test_few_numbers_are_embedded_finely(model, n_rows, n_numeric, expected):
    config = TrainConfig(model=model).resolved(n_rows, n_numeric)
    assert (config.embedding_bins, config.embedding_dim) == expected
    explicit = TrainConfig(model=model, embedding_bins=7, embedding_dim=3).resolved(n_rows, n_numeric)
    assert (explicit.embedding_bins, explicit.embedding_dim) == (7, 3)


@pytest.mark.parametrize(
    ("model", "n_rows", "n_numeric", "expected"),
    [
        (None, 1_000, 32, (0.004, 0.02, 0.01, 0.008)),
        (None, 1_000, 128, (0.002, 0.01, 0.005, 0.004)),
        ("tabm", 2_999, 512, (0.001, 0.005, 0.0025, 0.002)),
        (None, 3_000, 512, 0.012),
        ("realmlp", 1_000, 512, 0.2),
    ],
)
def test_rates_of_few_rows_fall_with_the_root_of_many_numbers(model, n_rows, n_numeric, expected):
    assert TrainConfig(model=model).resolved(n_rows, n_numeric).learning_rate == expected
    assert TrainConfig(model=model, learning_rate=0.5).resolved(n_rows, n_numeric).learning_rate == 0.5


@pytest.mark.parametrize(
    ("preset", "model", "n_rows", "n_numeric", "small"),
    [
        ("fast", None, 10_000, 8, True),
        ("fast", None, 10_000, 0, True),
        ("fast", "mlp", 49_999, 5, True),
        ("fast", None, 10_000, 4, False),
        ("fast", None, 2_999, 8, False),
        ("fast", None, 50_000, 8, False),
        ("fast", "tabm", 10_000, 8, False),
        ("balanced", "mlp", 10_000, 8, False),
    ],
)
def test_fast_networks_are_small(preset, model, n_rows, n_numeric, small):
    config = TrainConfig(preset=preset, model=model).resolved(n_rows, n_numeric)
    expected = ((64, 32), 40, 4, None)
    shape = (config.hidden, config.embedding_bins, config.embedding_dim, config.embedding_activation)
    assert (shape == expected) is small
    explicit = TrainConfig(preset=preset, model=model, hidden=(9,)).resolved(n_rows, n_numeric)
    assert explicit.hidden == (9,)


def test_rows_weigh_by_their_spread_in_mlp_and_tabm():
    row_weights = {model: TrainConfig(model=model).resolved(5_000).row_weight for model in ("mlp", "tabm", "realmlp")}
    assert row_weights == {"mlp": "spread", "tabm": "spread", "realmlp": "equal"}
