"""A short run of the fuzzer, and checks that it notices errors, hangs, and the end of the process."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from benchmarks import fuzz, fuzz_child
from benchmarks.fuzz_corpus import CORPORA, Case, Current, corpus

INPUTS = 250


@pytest.mark.parametrize("parser", CORPORA)
def test_damaged_requests_are_answered_or_refused(parser: str, tmp_path: Path) -> None:
    report = fuzz.fuzz(parser, tmp_path, seconds=60, inputs=INPUTS, seed=1)
    assert report.findings == []
    assert report.inputs == INPUTS
    assert set(report.counts) <= {"200", "400", "404", "406", "413", "415", "422"}
    # Most inputs are refused, and some are still good, so the code behind the first check is reached too.
    assert report.counts["200"] > 0
    assert report.counts["400"] + report.counts["422"] > INPUTS / 6


def test_what_it_starts_from_is_good() -> None:
    async def all_of_it(target: fuzz_child.Target) -> None:
        for parser in CORPORA:
            outcomes = [await target.outcome(case) for case in corpus(parser)]
            assert {kind for kind, _ in outcomes} == {"ok"}, parser
            good = sum(status == "200" for _, status in outcomes)
            assert good >= 9 or good == len(outcomes), (parser, outcomes)

    asyncio.run(fuzz_child.with_target(all_of_it))


def test_a_fault_is_found_made_small_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from service.protocols import tf_serving

    read = tf_serving.read

    def faulty(model, body, *options):
        if b"true" in body:
            raise KeyError("found")
        return read(model, body, *options)

    monkeypatch.setattr(tf_serving, "read", faulty)

    async def use(target: fuzz_child.Target) -> None:
        await fuzz_child.fuzz(target, "tf-serving", seconds=60, inputs=20, seed=1, folder=tmp_path)

    asyncio.run(fuzz_child.with_target(use))
    (report, end) = map(json.loads, capsys.readouterr().out.splitlines())
    assert report["kind"] == "status 500"
    assert "KeyError: 'found'" in report["more"]
    case = Case.read_from((tmp_path / report["file"]).read_bytes())
    assert case.body == b"true"
    assert end["counts"]["wrong"] > 0


@pytest.mark.parametrize(("last", "expected"), [("os.abort()", "exit -6"), ("time.sleep(99)", "no answer within 10 s")])
def test_a_process_that_ends_or_hangs_is_seen_with_its_input(tmp_path: Path, last: str, expected: str) -> None:
    case = Case("/predict", (("content-type", "text/csv"),), b"age\n\xff", "extra=ignore", (2,))
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom benchmarks.fuzz_corpus import Case, Current\n"
        "current = Current(Path(sys.argv[1]) / 'current')\n"
        f"current.keep(Case('/', (), b'before' * 100))\ncurrent.keep({case!r})\n{last}\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    (report,), how = fuzz.watched(command, tmp_path, seconds=10 if "sleep" in last else 60)
    assert how is not None and how.startswith(expected)
    assert report["kind"] == "crash"
    assert Case.read_from((tmp_path / report["file"]).read_bytes()) == case
    assert Current.last(tmp_path / "current") == case.pack()
