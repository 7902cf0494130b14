"""The declaration of the service: the effects of its import, and what BentoML reads from it."""

import shutil
import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest

from service.live.choice import Choice
from service.settings.settings import Settings
from tests.builders import build_version
from tests.processes import ROOT, clean_environment

HEAVY = ("onnxruntime", "tensorflow", "keras", "jax", "sklearn", "polars", "training", "trueline")


def run(code: str, home, **environ) -> str:
    command = [sys.executable, "-W", "ignore", "-c", code]
    result = subprocess.run(
        command, cwd=ROOT, env=clean_environment(home, **environ), capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_importing_the_service_imports_nothing_heavy_and_touches_no_file(tmp_path):
    code = f"""
import sys, os
from service import RegressionService
print([n for n in {HEAVY} if n in sys.modules], "prometheus_client" in sys.modules, RegressionService.name)
"""
    home = tmp_path / "home"
    assert run(code, home, TRUELINE_MAX_ROWS="not read").strip() == "[] False trueline"
    assert not (home / "trueline").exists()


def test_the_packages_parts_import_without_bentoml(tmp_path):
    code = "import sys, service.app.app; print([n for n in ('bentoml', 'onnxruntime') if n in sys.modules])"
    assert run(code, tmp_path).strip() == "[]"


def test_no_such_attribute():
    import service

    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        service.Nothing  # noqa: B018


@pytest.fixture
def service(registry, monkeypatch):
    """The declared service in this process, with the test's store."""
    monkeypatch.setenv("BENTOML_HOME", str(registry.home))
    monkeypatch.setenv("BENTOML_DO_NOT_TRACK", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # BentoML's own, at its import
        from service import RegressionService
    yield RegressionService
    RegressionService.app = RegressionService.bento = None


def test_models_are_what_would_serve_when_asked(service, registry, tmp_path, monkeypatch):
    first, second = registry.versions("houses")
    assert [str(m) for m in service.models] == [f"houses:{first}"]
    monkeypatch.setenv("TRUELINE_MODEL", f"houses:{second}")
    assert [str(m) for m in service.models] == [f"houses:{second}"]
    monkeypatch.delenv("TRUELINE_MODEL")
    registry.promote(f"houses:{second}")
    assert [str(m) for m in service.models] == [f"houses:{second}"]
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "empty"))
    assert service.models == []
    # BentoML configures the service to build and to serve; only a service that serves packs nothing.
    monkeypatch.setenv("BENTOML_HOME", str(registry.home))
    monkeypatch.setattr(service, "parent", SimpleNamespace(serves=False))
    assert len(service.models) == 1
    monkeypatch.setattr(service, "parent", SimpleNamespace(serves=True))
    assert service.models == []


def test_several_champions_are_no_bento(service, registry, monkeypatch):
    from bentoml.exceptions import BentoMLException

    build_version(registry, name="flats", promote=True)
    with pytest.raises(BentoMLException, match=r"Received: 2, 'flats', 'houses'.* A Bento serves the one model"):
        service.models  # noqa: B018
    monkeypatch.setenv("TRUELINE_MODEL", "hoses")
    with pytest.raises(BentoMLException, match=r"Unknown model 'hoses'. There are: 'houses', 'flats'"):
        service.models  # noqa: B018


def test_the_number_of_workers_comes_from_the_environment(service, monkeypatch):
    monkeypatch.setattr(service, "config", {})
    monkeypatch.setattr(service, "parent", SimpleNamespace(serves=False))
    service.inject_config()
    assert service.config == {}
    monkeypatch.setenv("TRUELINE_WORKERS", "3")
    service.inject_config()
    assert service.config == {"workers": 3}


def test_wrong_settings_end_the_command_with_a_sentence(registry):
    command = [sys.executable, "-W", "ignore", "-m", "bentoml", "serve", "service:RegressionService"]
    environ = clean_environment(registry.home, TRUELINE_MAX_ROWS="many")
    result = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)
    assert result.returncode != 0
    assert "TRUELINE_MAX_ROWS: Expected a valid integer" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.anyio
async def test_a_call_inside_the_process_gets_the_same_answer(service, predictor):
    from bentoml.exceptions import InvalidArgument, ServiceUnavailable

    row = predictor.schema.example_row()
    with pytest.raises(ServiceUnavailable, match="only declared"):
        await service.answer({"rows": [row]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # BentoML's own, in its app
        service.to_asgi()
    app = service.app
    await app.worker.start()
    declared = service.inner()
    declared.bento_service = service
    answer = await declared.predict(rows=[row], interval=0.5)
    assert answer["predictions"][0]["value"] == predictor.predict_rows([row]).value[0, 0]
    with pytest.raises(InvalidArgument, match="Expected rows that fit GET /schema"):
        await service.answer({"rows": [{}]})
    await app.worker.stop()


def test_a_bentos_models_are_looked_for_beside_it_and_in_the_store(service, registry, tmp_path, monkeypatch):
    second = registry.versions("houses")[1]
    tags = [SimpleNamespace(tag=SimpleNamespace(name="houses", version=second))]
    service.bento = SimpleNamespace(path=str(tmp_path), info=SimpleNamespace(all_models=tags))
    settings, choice = Settings.from_environment({}), Choice()
    empty = tmp_path / "empty"
    monkeypatch.setenv("BENTOML_HOME", str(empty))
    shutil.copytree(registry.models / "houses" / second, empty / "models" / "houses" / second)
    in_store = empty / "models" / "houses" / second
    assert service.source_for(settings, choice).reference().path == in_store
    beside = tmp_path / "models" / "houses" / second
    beside.mkdir(parents=True)
    (beside / "manifest.json").touch()
    assert service.source_for(settings, choice).reference().path == beside
    # A running Bento packs nothing.
    assert service.models == []
