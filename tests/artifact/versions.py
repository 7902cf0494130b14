"""Versions without a model, for the tests of registry and aliases."""

import subprocess
import sys

from tests.builders import build_manifest, build_schema
from tests.processes import ROOT


def add(registry, name="houses", **options):
    """A version with a manifest and no model: enough for tests that only move versions."""
    with registry.create(name) as (version, folder):
        build_manifest(build_schema(), name, version, **options).write(folder)
    return version


def promoted(registry, count, name="houses"):
    """As many versions, promoted in order."""
    versions = [add(registry, name) for _ in range(count)]
    for version in versions:
        registry.promote(f"{name}:{version}")
    return versions


def champion(registry, name="houses"):
    entry = registry.deployment(name)
    return entry and entry.champion


def run_python(script, *arguments, **options):
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], cwd=ROOT, **options)
