"""The declaration: what an import does and does not, and what BentoML reads of the service."""

import json
import subprocess
import sys

import pytest

from artifact.registry import Registry
from tests.builders import build_schema
from tests.processes import ROOT, clean_environment

HEAVY = ("onnxruntime", "tensorflow", "keras", "jax", "sklearn", "polars", "training", "trueline")


def run(code: str, home, **environ) -> str:
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=clean_environment(home, **environ), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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
    code = "import sys, service.app; print([n for n in ('bentoml', 'onnxruntime') if n in sys.modules])"
    assert run(code, tmp_path).strip() == "[]"


def test_no_such_attribute():
    import service

    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        service.Nothing  # noqa: B018


def test_models_are_what_would_serve_when_asked(registry, tmp_path):
    code = "from service import RegressionService as s; print([str(m) for m in s.models])"
    first, second = registry.versions("houses")
    assert run(code, registry.home).strip() == f"['houses:{first}']"
    assert run(code, registry.home, TRUELINE_MODEL=f"houses:{second}").strip() == f"['houses:{second}']"
    registry.promote(f"houses:{second}")
    assert run(code, registry.home).strip() == f"['houses:{second}']"
    assert run(code, tmp_path / "empty").strip() == "[]"


def test_wrong_settings_end_the_command_with_a_sentence(registry):
    command = [sys.executable, "-W", "ignore", "-m", "bentoml", "serve", "service:RegressionService"]
    environ = clean_environment(registry.home, TRUELINE_MAX_ROWS="many")
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "TRUELINE_MAX_ROWS: Input should be a valid integer" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_call_inside_the_process_gets_the_same_answer(registry):
    code = f"""
import asyncio, json
from service import RegressionService as service
row = json.loads({json.dumps(build_schema().example_row())!r})

async def main():
    try:
        await service.answer({{"rows": [row]}})
    except Exception as error:
        print(type(error).__name__)
    app = service.to_asgi()
    await app.worker.start()
    print((await service.answer({{"rows": [row], "columns": None}}))["model_name"])
    try:
        await service.answer({{"rows": [{{}}]}})
    except Exception as error:
        print(type(error).__name__, error)
    await app.worker.stop()

asyncio.run(main())
"""
    lines = run(code, registry.home).splitlines()
    assert lines[0] == "ServiceUnavailable"
    assert "houses" in lines
    assert lines[-1].startswith("InvalidArgument Expected rows that fit GET /schema.")


def test_a_bentos_models_are_looked_for_beside_it_and_in_the_store(registry: Registry, tmp_path):
    second = registry.versions("houses")[1]
    code = f"""
from types import SimpleNamespace as N
from service import RegressionService as service
tags = [N(tag=N(name="houses", version={second!r})), N(tag=N(name="other", version="1"))]
service.bento = N(path={str(tmp_path)!r}, info=N(all_models=tags))
print([str(r.path) for r in service._bundled().values()])
"""
    assert run(code, registry.home).strip() == f"['{registry.models / 'houses' / second}']"
    carried = tmp_path / "models" / "houses" / second
    carried.mkdir(parents=True)
    (carried / "manifest.json").touch()
    assert run(code, registry.home).strip() == f"['{carried}']"
