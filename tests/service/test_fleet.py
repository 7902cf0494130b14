"""Workers see each other by locks that end with a process, and not by process numbers."""

import subprocess
import sys

from service.process.fleet import Fleet
from tests.processes import ROOT

OTHER = """
import sys
from pathlib import Path
from service.process.fleet import Fleet
fleet = Fleet(Path(sys.argv[1]), 2)
fleet.join()
print("joined", flush=True)
for line in sys.stdin:
    fleet.show(line.strip())
    print("shown", flush=True)
"""


def other(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "joined\n"
    return process


def tell(process, state):
    process.stdin.write(state + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "shown\n"


def test_ready_is_counted_over_all_workers_that_live(tmp_path):
    fleet = Fleet(tmp_path / "workers", 2)
    fleet.join()
    assert fleet.ready_workers() == 0
    fleet.show("ready")
    assert fleet.ready_workers() == 1
    process = other(tmp_path / "workers")
    assert fleet.ready_workers() == 1
    tell(process, "ready")
    assert fleet.ready_workers() == 2
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    assert fleet.ready_workers() == 1
    assert len(list((tmp_path / "workers").iterdir())) == 1
    fleet.show("draining")
    fleet.show("ready")  # a promotion while it drains
    assert fleet.ready_workers() == 0
    fleet.leave()
    assert list((tmp_path / "workers").iterdir()) == []


def test_alone_it_counts_for_itself(tmp_path):
    fleet = Fleet(None, 4)
    fleet.join()
    fleet.show("ready")
    assert (fleet.ready_workers(), fleet.expected) == (1, 1)
    fleet.leave()


def test_a_folder_that_cannot_be_written_leaves_each_worker_its_own_readiness(tmp_path, log):
    file = tmp_path / "file"
    file.touch()
    fleet = Fleet(file / "workers", 4)
    fleet.join()
    fleet.show("ready")
    assert (fleet.ready_workers(), fleet.expected) == (1, 1)
    assert "Each worker reports only its own readiness" in log.text
    fleet.leave()
