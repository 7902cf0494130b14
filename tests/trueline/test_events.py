"""``--on-event``: a command or a URL hears of what was done; one that fails or hangs is a warning and no more."""

from __future__ import annotations

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from artifact.registry.local import LocalRegistry
from tests.builders import build_version
from tests.trueline.test_commands import call
from trueline.commands import events
from trueline.commands.events import Events


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "300")
    return LocalRegistry(tmp_path / "home")


@pytest.fixture
def hook(tmp_path):
    """A command that keeps what it hears, and the documents that it has heard."""
    heard = tmp_path / "heard.ndjson"

    def documents():
        return [json.loads(line) for line in heard.read_text().splitlines()] if heard.exists() else []

    return f"cat >> {heard}; echo >> {heard}", documents


@pytest.fixture
def server():
    """A server on loopback, the requests that it got, and how it answers: a status, or seconds to wait."""
    got, answers = [], [200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Content-Type"], json.loads(body)))
            if answers[0] < 100:
                time.sleep(answers[0])
            self.send_response(max(200, int(answers[0])))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/hook?room=1", got, answers
        running.shutdown()


def test_a_promotion_a_rollback_and_a_refusal_are_told(home, hook, capsys):
    command, documents = hook
    first, second = build_version(home), build_version(home)
    bad = build_version(home, beats_mean=False)
    for words in (["promote", f"houses:{first.version}"], ["promote", f"houses:{second.version}", "--why", "better"]):
        assert call(capsys, *words, "--on-event", command)[0] == 0
    assert call(capsys, "rollback", "houses", "--on-event", command)[0] == 0
    code, _, err = call(capsys, "promote", f"houses:{bad.version}", "--on-event", command)
    assert code == 1
    heard = documents()
    assert [document["event"] for document in heard] == ["promote", "promote", "rollback", "refusal"]
    assert [d["model_version"] for d in heard] == [first.version, second.version, first.version, bad.version]
    assert [d.get("former") for d in heard] == [None, first.version, second.version, None]
    assert heard[1] | {"why": "better", "command": "promote", "model_name": "houses"} == heard[1]
    assert {"when", "who"} <= set(heard[0])
    assert heard[3]["sentence"] in err


def test_every_refused_rollback_is_told_once(home, hook, capsys, monkeypatch):
    command, documents = hook
    log = home.home / "trueline" / "deployments" / "houses"
    first, second = build_version(home, promote=True), build_version(home)

    def refused(*words, code):
        earlier = len(documents())
        assert call(capsys, *words, "--on-event", command)[0] == code
        [document] = documents()[earlier:]
        assert (document["event"], document["command"], document["model_name"]) == ("refusal", words[0], "houses")
        return document["sentence"]

    assert "Expected a former champion of 'houses' to return to" in refused("rollback", "houses", code=2)
    home.promote(f"houses:{second.version}")
    network = (first.path / "model.onnx").read_bytes()
    (first.path / "model.onnx").write_bytes(b"other")
    assert "Expected a former champion that is whole" in refused("rollback", "houses", code=1)
    (first.path / "model.onnx").write_bytes(network)
    entry = (log / "00000002.json").read_text()
    (log / "00000002.json").write_text("{")
    for words in (["rollback", "houses"], ["promote", f"houses:{second.version}"]):
        assert "Expected entry 2 of the deployment log" in refused(*words, code=1)
    (log / "00000002.json").write_text(entry)
    # Another rollback comes in between.
    way = LocalRegistry(home.home).way_back("houses")
    home.rollback("houses")
    with monkeypatch.context() as patched:
        patched.setattr(LocalRegistry, "way_back", lambda *_: way)
        assert "Received: rollback to houses:" in refused("rollback", "houses", code=1)
    # A wrong name is a wrong command, and no refusal.
    assert call(capsys, "rollback", "hauses", "--on-event", command)[0] == 2
    assert len(documents()) == 5


def test_a_url_is_posted_the_json(home, server, capsys):
    url, got, _ = server
    version = build_version(home)
    code, _, err = call(capsys, "promote", "houses", "--on-event", url)
    assert (code, "Warning" in err) == (0, False)
    [(path, kind, document)] = got
    assert (path, kind) == ("/hook?room=1", "application/json")
    assert (document["event"], document["model_version"]) == ("promote", version.version)


@pytest.mark.parametrize(
    ("hook", "why"),
    [
        ("echo broken >&2; exit 3", "exit code 3 from 'echo broken >&2; exit 3': broken"),
        ("/no/such/command", "exit code 127"),
        ("http://127.0.0.1:1/", "refused"),
        ("http://", "Received: "),
    ],
)
def test_a_hook_that_fails_is_one_warning_and_the_command_goes_on(home, capsys, hook, why):
    version = build_version(home)
    code, out, err = call(capsys, "promote", "houses", "--on-event", hook)
    assert code == 0
    assert err.count("Warning: Expected --on-event to take the event 'promote'") == 1
    assert why in err
    assert f"Promoted houses:{version.version}" in out
    assert home.alias("houses").version == version.version


@pytest.mark.parametrize(
    ("hook", "sentence"),
    [
        ("", "Expected --on-event as a shell command or a URL. Received: an empty text."),
        ("  ", "Received: an empty text."),
        ("ftp://files.example/hook", "or as a URL of http:// or https://. Received: 'ftp://files.example/hook'."),
        ("WSS://chat.example", "Received: 'WSS://chat.example'."),
    ],
)
def test_what_is_no_hook_is_refused_before_any_work(home, capsys, hook, sentence):
    build_version(home)
    for words in (["promote", "houses"], ["rollback", "houses"], ["train", "no.csv", "--target", "price"]):
        code, _, err = call(capsys, *words, "--on-event", hook)
        assert (code, sentence in err) == (2, True), err
    assert home.deployment("houses") is None


def test_a_url_within_a_command_is_a_command(home, hook, capsys):
    command, documents = hook
    build_version(home)
    assert call(capsys, "promote", "houses", "--on-event", f"true ftp://files.example; {command}")[0] == 0
    assert len(documents()) == 1


def test_only_a_hook_that_takes_too_long_hears_of_the_time(home, capsys):
    build_version(home)
    assert "within" not in call(capsys, "promote", "houses", "--on-event", "exit 1")[2]
    Events("sleep 9", "promote", seconds=0.2).tell("promote")
    assert "Received: no end of 'sleep 9' within 0.2 s." in capsys.readouterr().err


def test_a_status_that_is_no_success_is_a_warning(home, server, capsys):
    url, _, answers = server
    answers[0] = 500
    build_version(home)
    code, _, err = call(capsys, "promote", "houses", "--on-event", url)
    assert (code, "Received: status 500" in err) == (0, True)


def test_a_hook_that_hangs_is_given_up_with_all_that_it_started(capsys, server, tmp_path):
    url, _, answers = server
    answers[0] = 5
    left = tmp_path / "left"
    for hook in (f"(sleep 2; touch {left}) & sleep 30", url):
        began = time.monotonic()
        Events(hook, "promote", seconds=0.5).tell("promote")
        assert time.monotonic() - began < 2
        assert "within 0.5 s" in capsys.readouterr().err
    time.sleep(2)
    assert not left.exists()
    # The server answers at last, and nobody listens.
    for thread in threading.enumerate():
        if thread.name == "on-event":
            thread.join(10)


def test_a_server_that_drips_is_given_up(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip():
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                for _ in range(15):
                    time.sleep(0.1)
                    connection.sendall(b"H")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        began = time.monotonic()
        Events(f"http://127.0.0.1:{listening.getsockname()[1]}/", "promote", seconds=0.5).tell("promote")
        assert time.monotonic() - began < 2
        assert "Received: no answer" in capsys.readouterr().err
        thread.join(10)
    for waiting in threading.enumerate():
        if waiting.name == "on-event":
            waiting.join(10)


def test_the_time_is_bounded_by_default():
    assert events.SECONDS <= 10


def test_a_version_that_is_the_champion_already_is_no_promotion(home, hook, capsys):
    command, documents = hook
    version = build_version(home, promote=True).version
    code, out, _ = call(capsys, "promote", "houses", "--why", "again", "--on-event", command)
    assert code == 0
    assert f"Nothing changed: houses:{version} was the champion already." in out
    assert "Promoted" not in out
    assert documents() == []
    assert len(home.history("houses")) == 1
