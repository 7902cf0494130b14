import shutil

import pytest

from artifact.errors import NotFoundError
from artifact.registry.local import LocalRegistry
from service.live.choice import Choice
from service.live.source import MissingVersionError, SeveralModelsError, Source, bundled_models
from tests.builders import build_version


def reference(source):
    version = source.reference()
    return f"{version.name}:{version.version}"


def test_unset_is_the_only_model_with_a_champion(registry):
    build_version(registry, name="unpromoted")
    assert reference(Source(registry)) == f"houses:{registry.alias('houses').version}"


def test_no_champion_says_how_to_promote_one(tmp_path):
    registry = LocalRegistry(tmp_path)
    with pytest.raises(NotFoundError, match=r"No model is live yet. Train and promote one: `trueline train"):
        Source(registry).reference()
    version = build_version(registry).version
    for model, sentence in ((None, "No model is live yet."), ("houses", "Model 'houses' has no champion yet.")):
        with pytest.raises(NotFoundError) as excinfo:
            Source(registry, model).reference()
        assert str(excinfo.value) == f"{sentence} Promote a version: `trueline promote houses:{version}`."


def test_several_champions_are_listed_and_one_can_be_named(registry):
    other = build_version(registry, name="flats", promote=True)
    with pytest.raises(NotFoundError, match=r"Received: 2, 'flats', 'houses'.*TRUELINE_MODEL=NAME"):
        Source(registry).reference()
    assert reference(Source(registry, "flats")) == f"flats:{other.version}"


def test_a_model_that_is_live_stays_so_when_another_gets_a_champion(registry):
    source = Source(registry)
    source.reference()
    build_version(registry, name="flats", promote=True)
    assert reference(source).startswith("houses:")


def test_the_choice_of_model_is_the_services_not_each_workers(registry, tmp_path):
    file = tmp_path / "choice"
    first = Source(registry, choice=Choice(file))
    assert first.choose() == "houses"
    build_version(registry, name="flats", promote=True)
    # A worker that starts now, in place of a dead one, keeps the first choice.
    assert reference(Source(registry, choice=Choice(file))) == reference(first)
    with pytest.raises(SeveralModelsError):
        Source(registry, choice=Choice(tmp_path / "other")).reference()
    # When two workers choose at once, the first that writes its choice decides for both.
    one, two = Choice(tmp_path / "race"), Choice(tmp_path / "race")
    assert one.current() is two.current() is None
    assert (one.make("flats"), two.make("houses"), two.current()) == ("flats", "flats", "flats")
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []
    # Where nothing can be written, each worker chooses for itself.
    assert Choice(tmp_path / "none" / "choice").make("houses") == "houses"


@pytest.mark.parametrize("pinned", [False, True])
def test_case_v25_a_deleted_champion_is_found_out_and_told(registry, pinned):
    first, second = registry.versions("houses")
    source = Source(registry, f"houses:{first}" if pinned else "houses")
    source.reference()
    before = source.revision()
    folder = registry.models / "houses" / first
    shutil.move(folder, registry.home / "away")
    revision = source.revision()
    assert revision != before
    with pytest.raises(MissingVersionError) as excinfo:
        source.reference()
    if not pinned:
        assert str(excinfo.value) == (
            f"Expected the champion of 'houses', houses:{first}, in the store. Received: a store without it. "
            f"Put that version back, or promote another one: `trueline promote houses:{second}`."
        )
    shutil.move(registry.home / "away", folder)
    assert source.revision() != revision
    assert reference(source) == f"houses:{first}"


def test_a_bento_has_its_own_copy_of_a_deleted_champion(registry):
    first, second = registry.versions("houses")
    bundled = bundled_models([registry.models], [("houses", first)])
    source = Source(registry, None, bundled)
    shutil.rmtree(registry.models / "houses" / first)
    assert reference(source) == f"houses:{first}"
    registry.promote(f"houses:{second}")
    assert reference(source) == f"houses:{second}"


def test_case_v01_a_bento_serves_the_model_that_it_was_built_for(registry, tmp_path):
    first, second = registry.versions("houses")
    bundled = bundled_models([registry.models], [("houses", second)])
    elsewhere = LocalRegistry(tmp_path / "elsewhere")
    build_version(elsewhere, name="flats", promote=True)
    # The store has a champion of another model, and later two of other models.
    assert Source(elsewhere, None, bundled).reference() == bundled["houses"]
    build_version(elsewhere, name="boats", promote=True)
    assert Source(elsewhere, None, bundled).reference() == bundled["houses"]
    assert reference(Source(registry, None, bundled)) == f"houses:{first}"
    # The operator's setting goes first.
    assert reference(Source(elsewhere, "flats", bundled)).startswith("flats:")
    # A Bento without the files of its model serves no other model instead.
    with pytest.raises(NotFoundError, match=r"Unknown model 'houses'. There are: 'boats', 'flats'"):
        Source(elsewhere, None, {}, built_for=["houses"]).reference()


def test_a_pinned_version_follows_nothing(registry):
    first, second = registry.versions("houses")
    source = Source(registry, f"houses:{second}")
    assert reference(source) == f"houses:{second}"
    stamp = source.revision()
    registry.promote(f"houses:{second}")
    registry.promote(f"houses:{first}")
    assert source.revision() == stamp
    with pytest.raises(NotFoundError, match=r"Unknown version 'nope' of 'houses'"):
        Source(registry, "houses:nope").reference()
    with pytest.raises(NotFoundError, match=r"Unknown model 'house'. There are: 'houses'"):
        Source(registry, "house").reference()


@pytest.mark.parametrize("model", [None, "houses"])
def test_the_stamp_changes_with_every_promotion(registry, model):
    first, second = registry.versions("houses")
    source = Source(registry, model)
    stamps = {source.revision()}
    for version in (second, first, second):
        registry.promote(f"houses:{version}")
        assert source.revision() not in stamps
        stamps.add(source.revision())


def test_the_stamp_of_an_empty_store_changes_with_the_first_champion(tmp_path):
    registry = LocalRegistry(tmp_path)
    source = Source(registry)
    before = source.revision()
    assert before == ()
    build_version(registry, promote=True)
    assert source.revision() != before


def test_a_bundled_model_serves_where_no_champion_says_otherwise(registry, tmp_path):
    first, second = registry.versions("houses")
    tags = [("houses", second), ("not-ours", "1")]
    bundled = bundled_models([tmp_path / "nowhere", registry.models], tags)
    assert list(bundled) == ["houses"]
    empty = LocalRegistry(tmp_path / "empty")
    for model in (None, "houses", f"houses:{second}"):
        assert Source(empty, model, bundled).reference() == bundled["houses"]
    assert reference(Source(registry, None, bundled)) == f"houses:{first}"
    two = {**bundled, "flats": bundled["houses"]}
    with pytest.raises(NotFoundError, match=r"one model in the Bento. Received: 'flats', 'houses'"):
        Source(empty, None, two).reference()


def test_a_bento_packs_the_version_that_would_serve_and_never_several_models(registry, tmp_path):
    first, second = registry.versions("houses")
    assert [p.version for p in Source(registry).to_pack()] == [first]
    assert [p.version for p in Source(registry, f"houses:{second}").to_pack()] == [second]
    build_version(registry, name="flats", promote=True)
    with pytest.raises(SeveralModelsError, match=r"Received: 2, 'flats', 'houses'.*TRUELINE_MODEL=NAME"):
        Source(registry).to_pack()
    for model in ("house", "houses:none"):  # a wrong name is refused and does not make an empty Bento
        with pytest.raises(NotFoundError):
            Source(registry, model).to_pack()
    assert [p.version for p in Source(registry, "houses").to_pack()] == [first]
    assert Source(LocalRegistry(tmp_path / "empty")).to_pack() == []
