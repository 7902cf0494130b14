"""Upgrades and HTTP/1.0 against a real service, by raw sockets, curl, Java's client, and behind nginx."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import h11
import pytest

from tests.processes import free_port, running
from tests.service.test_faults import body_of, served
from tests.service.test_live_server import Server, wait_for

UPGRADES = (
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "Upgrade: TLS/1.0, HTTP/1.1\r\nConnection: Upgrade\r\n",
    "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n",
)
# One path of each kind: formats, other protocols, pages, BentoML's own paths, unknown ones.
ROUTES = (
    "/predict",
    "/v1/models/houses:predict",
    "/v2/models/houses/infer",
    "/readyz",
    "/metrics",
    "/schema.json",
    "/static_content/nothing",
    "/docs",
    "/nope",
)
INNER = "GET /model HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits = {"TRUELINE_MAX_BODY_BYTES": "3000", "TRUELINE_LINGER_SECONDS": "0.3"}
    with served(tmp_path_factory.mktemp("framing"), **limits) as server:
        yield server
        text = server.log.read_text()
    assert "Traceback" not in text, text
    assert "upgrade request" not in text


def exchange(port: int, data: str, methods: list[str]) -> list[tuple[int, bytes]]:
    """Status and body of each answer to requests that are sent together, until the last answer or a pause."""
    answers = []
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(data.encode())
        client = h11.Connection(h11.CLIENT)
        try:
            for method in methods:
                client.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
                client.send(h11.EndOfMessage())
                answers.append(_answer(connection, client))
                client.start_next_cycle()
        except (h11.LocalProtocolError, h11.RemoteProtocolError, ConnectionResetError):
            pass  # closed
        else:
            connection.settimeout(0.05)  # nothing more may come
            with pytest.raises(TimeoutError):
                connection.recv(1000)
    return answers


def _answer(connection: socket.socket, client: h11.Connection) -> tuple[int, bytes]:
    status, body = 0, b""
    while True:
        event = client.next_event()
        if event is h11.NEED_DATA:
            client.receive_data(connection.recv(65536))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return status, body


def post(path: str, body: str, more: str = "", *, method: str = "POST", chunks: bool = False) -> str:
    length = "Transfer-Encoding: chunked" if chunks else f"Content-Length: {len(body)}"
    content = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n" if chunks else body
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{length}\r\n{more}\r\n{content}"


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_case_v04_an_upgrade_is_ignored_and_the_body_is_read(server: Server, upgrade: str) -> None:
    body = body_of(server)
    for chunks in (False, True):
        plain = exchange(server.port, post("/predict", body, chunks=chunks), ["POST"])
        asking = exchange(server.port, post("/predict", body, upgrade, chunks=chunks) + LAST, ["POST", "GET"])
        assert asking == [*plain, (200, b'{"live":true}')]
        assert plain[0][0] == 200


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_case_v05_no_body_is_read_as_a_request_on_any_route(server: Server, upgrade: str) -> None:
    for path, method, chunks in itertools.product(ROUTES, ("POST", "GET", "PUT", "OPTIONS"), (False, True)):
        request = post(path, INNER, upgrade, method=method, chunks=chunks)
        asking = exchange(server.port, request + LAST, [method, "GET"])
        plain = exchange(server.port, request.replace(upgrade, "") + LAST, [method, "GET"])
        statuses = [status for status, _ in asking]
        assert statuses == [status for status, _ in plain], (path, method, chunks)
        assert b"model_version" not in b"".join(body for _, body in asking[1:]), (path, method, chunks)
        if len(asking) == 2:
            assert asking[1] == (200, b'{"live":true}')


@pytest.mark.parametrize("more", ["", "Expect: 100-continue\r\n"])
@pytest.mark.parametrize("upgrade", UPGRADES)
def test_a_body_that_is_refused_for_its_size_is_read_as_no_request_either(
    server: Server, upgrade: str, more: str
) -> None:
    for path, chunks in itertools.product(("/predict", "/v2/models/houses/infer", "/nope"), (False, True)):
        answers = exchange(server.port, post(path, INNER * 200, upgrade + more, chunks=chunks) + LAST, ["POST", "GET"])
        assert answers[0][0] == (404 if path == "/nope" else 413)
        assert len(answers) == 1 or answers[1] == (200, b'{"live":true}')


def test_case_v04_curl_with_http2(server: Server, tmp_path: Path) -> None:
    if shutil.which("curl") is None or "HTTP2" not in _printed("curl", "--version"):
        pytest.skip("there is no curl that speaks HTTP/2")
    file = tmp_path / "one.json"
    file.write_text(body_of(server))
    url = f"http://127.0.0.1:{server.port}/predict"
    command = ["curl", "-sS", "--http2", "-H", "Content-Type: application/json", "-d", f"@{file}", url]
    assert len(json.loads(_printed(*command))["predictions"]) == 1


JAVA = """
import java.net.*; import java.net.http.*;
public class Client {
  public static void main(String[] a) throws Exception {
    HttpClient client = HttpClient.newHttpClient();
    for (int i = 0; i < 3; i++) {
      HttpRequest request = HttpRequest.newBuilder(URI.create(a[0])).header("Content-Type", "application/json")
        .POST(HttpRequest.BodyPublishers.ofString(a[1])).build();
      HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
      System.out.println(answer.statusCode() + " " + answer.body());
    }
  }
}
"""


def test_case_v04_java_as_it_comes(server: Server, tmp_path: Path) -> None:
    if shutil.which("javac") is None:
        pytest.skip("there is no JDK")
    (tmp_path / "Client.java").write_text(JAVA)
    body = body_of(server)
    expected = server.post(body)
    printed = _printed("java", str(tmp_path / "Client.java"), f"http://127.0.0.1:{server.port}/predict", body)
    answers = [(int(line[:3]), json.loads(line[4:])) for line in printed.splitlines()]
    assert answers == [expected] * 3


NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 100; }}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream service {{ server 127.0.0.1:{service}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://service; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
    }}
    location /old/ {{ proxy_pass http://127.0.0.1:{service}/; proxy_http_version 1.0; proxy_buffering off; }}
  }}
}}
"""


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_case_v04_behind_nginx_with_the_usual_lines_for_websockets(
    server: Server, tmp_path: Path, upgrade: str
) -> None:
    if shutil.which("nginx") is None:
        pytest.skip("there is no nginx")
    port, configuration = free_port(), tmp_path / "nginx.conf"
    configuration.write_text(NGINX.format(folder=tmp_path, service=server.port, port=port))
    with running(
        ["nginx", "-c", configuration, "-p", tmp_path, "-e", tmp_path / "error.log"], tmp_path / "log", os.environ
    ):
        wait_for(lambda: _listens(port))
        body = body_of(server)
        for _ in range(3):  # over the same connection from nginx to the service
            asking = exchange(port, post("/predict", body, upgrade), ["POST"])
            assert asking == exchange(server.port, post("/predict", body), ["POST"])
            assert exchange(port, post("/nope", INNER, upgrade), ["POST"])[0][0] == 404
            assert exchange(port, LAST, ["GET"]) == [(200, b'{"live":true}')]
        # By default nginx speaks HTTP/1.0 to the service.
        row = json.dumps(json.loads(body)["rows"][0]) + "\n"
        request = post("/old/predict", 50 * row, upgrade).replace("application/json", "application/x-ndjson")
        ((status, lines),) = exchange(port, request, ["POST"])
        assert (status, len({line for line in lines.splitlines() if json.loads(line)["value"]})) == (200, 1)
        assert lines.count(b"\n") == 50


def test_case_v10_ndjson_to_http_1_0_has_no_chunks(server: Server) -> None:
    row = json.dumps(json.loads(body_of(server))["rows"][0]) + "\n"
    head = f"POST /predict HTTP/1.0\r\nContent-Type: application/x-ndjson\r\nContent-Length: {2 * len(row)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall((head + 2 * row).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, body = answer.decode().split("\r\n\r\n", 1)
    assert "transfer-encoding" not in head.lower()
    lines = body.splitlines()
    assert len(lines) == 2
    assert [set(json.loads(line)) for line in lines] == [{"value", "lower", "upper", "warnings"}] * 2


def test_what_is_no_http_is_answered_each_time_and_logged_once(server: Server) -> None:
    for data in (
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(data)
            assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert server.log.read_text().count("Invalid HTTP request received.") == 1


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _printed(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return result.stdout
