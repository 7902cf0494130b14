import pytest

from artifact.errors import NotFoundError
from artifact.registry import Registry
from service.source import Source, bundled_models
from tests.builders import build_version


def wanted(source):
    found = source.wanted()
    return f"{found.name}:{found.version}"


def test_unset_is_the_only_model_with_a_champion(registry):
    build_version(registry, name="unpromoted")
    assert wanted(Source(registry)) == f"houses:{registry.alias('houses').version}"


def test_no_champion_says_how_to_promote_one(tmp_path):
    registry = Registry(tmp_path)
    with pytest.raises(NotFoundError, match=r"No model is live yet. Train and promote one: `trueline train"):
        Source(registry).wanted()
    version = build_version(registry).version
    for model, sentence in ((None, "No model is live yet."), ("houses", "Model 'houses' has no champion yet.")):
        with pytest.raises(NotFoundError) as caught:
            Source(registry, model).wanted()
        assert str(caught.value) == f"{sentence} Promote a version: `trueline promote houses:{version}`."


def test_several_champions_are_listed_and_one_can_be_named(registry):
    other = build_version(registry, name="flats", promote=True)
    with pytest.raises(NotFoundError, match=r"Received: 2, 'flats', 'houses'.*TRUELINE_MODEL=NAME"):
        Source(registry).wanted()
    assert wanted(Source(registry, "flats")) == f"flats:{other.version}"


def test_a_model_that_is_live_stays_so_when_another_gets_a_champion(registry):
    source = Source(registry)
    source.follow(source.wanted().name)
    build_version(registry, name="flats", promote=True)
    assert wanted(source).startswith("houses:")


def test_a_pinned_version_follows_nothing(registry):
    first, second = registry.versions("houses")
    source = Source(registry, f"houses:{second}")
    assert wanted(source) == f"houses:{second}"
    stamp = source.stamp()
    registry.promote(f"houses:{second}")
    registry.promote(f"houses:{first}")
    assert source.stamp() == stamp
    with pytest.raises(NotFoundError, match=r"Unknown version 'nope' of 'houses'"):
        Source(registry, "houses:nope").wanted()
    with pytest.raises(NotFoundError, match=r"Unknown model 'house'. There are: 'houses'"):
        Source(registry, "house").wanted()


@pytest.mark.parametrize("model", [None, "houses"])
def test_the_stamp_changes_with_every_promotion(registry, model):
    first, second = registry.versions("houses")
    source = Source(registry, model)
    stamps = {source.stamp()}
    for version in (second, first, second):
        registry.promote(f"houses:{version}")
        assert source.stamp() not in stamps
        stamps.add(source.stamp())


def test_the_stamp_of_an_empty_store_changes_with_the_first_champion(tmp_path):
    registry = Registry(tmp_path)
    source = Source(registry)
    before = source.stamp()
    assert before == ()
    build_version(registry, promote=True)
    assert source.stamp() != before


def test_a_bundled_model_serves_where_no_champion_says_otherwise(registry, tmp_path):
    first, second = registry.versions("houses")
    tags = [("houses", second), ("not-ours", "1")]
    bundled = bundled_models([tmp_path / "nowhere", registry.models], tags)
    assert list(bundled) == ["houses"]
    empty = Registry(tmp_path / "empty")
    for model in (None, "houses", f"houses:{second}"):
        assert Source(empty, model, bundled).wanted() == bundled["houses"]
    assert wanted(Source(registry, None, bundled)) == f"houses:{first}"
    two = {**bundled, "flats": bundled["houses"]}
    with pytest.raises(NotFoundError, match=r"one model in the Bento. Received: 'flats', 'houses'"):
        Source(empty, None, two).wanted()


def test_a_bento_packs_what_would_serve_or_every_champion_or_nothing(registry, tmp_path):
    first, second = registry.versions("houses")
    assert [p.version for p in Source(registry).packed()] == [first]
    assert [p.version for p in Source(registry, f"houses:{second}").packed()] == [second]
    flats = build_version(registry, name="flats", promote=True)
    assert [p.version for p in Source(registry).packed()] == [flats.version, first]
    assert [p.version for p in Source(registry, "houses").packed()] == [first]
    assert Source(Registry(tmp_path / "empty")).packed() == []
