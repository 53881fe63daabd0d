"""nibble serve under clients that misbehave, and signals. Each test ends with the server still answering."""
import concurrent.futures
import json
import signal
import socket
import subprocess
import threading
import time

import pytest
import tiny_model
from serve_process import Server, post, read_all

LONG = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 100000, "temperature": 0, "logit_bias": {"257": -100}}
CONTEXT = 16000
SHORT = {"prompt": "x", "max_tokens": 4, "temperature": 0}


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory):
    """Large enough that an answer of its whole context takes longer than a busy machine stalls."""
    path = tmp_path_factory.mktemp("slow") / "slow.gguf"
    return tiny_model.write(path, context=CONTEXT, hidden=512, ffn=1024, layers=4, heads=8, kv_heads=8)


@pytest.fixture
def server(nibble_bin, slow_model):
    with Server(nibble_bin, slow_model, "--threads", 1) as running:
        yield running
        assert len(running.json("POST", "/v1/completions", SHORT)["choices"]) == 1


def begin_stream(server):
    """A connection that has the first piece of a long answer."""
    connection = server.connect()
    connection.sendall(post("/v1/chat/completions", {**LONG, "stream": True}))
    data = b""
    while data.count(b"data: ") < 3:
        block = connection.recv(4096)
        assert block, data
        data += block
    return connection, data


def wait_until(condition, timeout=60):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_client_that_goes_away_frees_its_place(server):
    connection, _ = begin_stream(server)
    assert server.json("GET", "/api/status")["active"] == 1
    connection.close()
    server.wait_idle()
    gone = lambda: [e for e in server.log() if e.get("client_gone")]
    wait_until(gone)
    assert gone()[0]["tokens"]["completion_tokens"] < 2000


def test_a_client_that_goes_away_without_a_stream(server):
    connection = server.connect()
    connection.sendall(post("/v1/chat/completions", LONG))
    wait_until(lambda: server.json("GET", "/api/status")["active"] > 0)
    connection.close()
    server.wait_idle()


def test_a_body_that_is_cut(server):
    with server.connect() as connection:
        connection.sendall(post("/v1/chat/completions", LONG)[:-20])
        connection.shutdown(socket.SHUT_WR)
        assert b" 400 " in read_all(connection).split(b"\r\n")[0] + b" "


def test_a_body_that_is_too_large(nibble_bin, slow_model):
    with Server(nibble_bin, slow_model, "--threads", 1, "--max-body", "10KB") as server:
        body = {"prompt": "x" * 20000}
        assert server.json("POST", "/v1/completions", body, expect=413)["error"]["message"]
        with server.connect() as connection:  # announced in pieces, without a length
            connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                for _ in range(100):
                    connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            except OSError:
                pass  # refused meanwhile
            assert b" 413 " in read_all(connection)
        assert server.json("POST", "/v1/completions", SHORT)["choices"]


def test_bodies_with_two_lengths_are_refused(server):
    with server.connect() as connection:
        connection.sendall(post("/v1/completions", SHORT, extra="Transfer-Encoding: chunked\r\n"))
        assert b" 400 " in read_all(connection)


def test_a_flood_of_headers(server):
    for header in (b"X-Many: value\r\n", b"x" * 8000):
        with server.connect() as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
            sent = 0
            try:
                while sent < 20 << 20:
                    connection.sendall(header * 100)
                    sent += len(header) * 100
            except OSError:
                pass
            assert sent < 20 << 20, "twenty megabytes of headers were read"
    with server.connect() as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n" + b"X-Many: value\r\n" * 6000 + b"\r\n")
        assert b" 431 " in read_all(connection)


def test_headers_that_come_too_slowly(nibble_bin, slow_model):
    with Server(nibble_bin, slow_model, "--threads", 1, "--timeout", 2) as server:
        with server.connect() as connection:
            with pytest.raises(OSError):  # not after a pause: while bytes come
                for _ in range(80):
                    connection.sendall(b"X")
                    time.sleep(0.1)
        assert server.json("GET", "/health")["status"] == "ok"


def test_nonsense_instead_of_http(server):
    for nonsense in (b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\r\n" * 10, b"GET / HTTP/9.9\r\n\r\n",
                     b"POST /v1/completions HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
                     b"POST /v1/completions HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"):
        with server.connect() as connection:
            connection.sendall(nonsense)
            connection.shutdown(socket.SHUT_WR)
            answer = read_all(connection)
            assert not answer or answer.split(b" ")[1][:1] == b"4", (nonsense, answer)


def test_a_slow_reader_does_not_hold_up_others(nibble_bin, slow_model):
    """It reads nothing: what it does not take waits in the system, and in the end it is cut off."""
    with Server(nibble_bin, slow_model, "--threads", 1, "--timeout", 6) as server:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(post("/v1/chat/completions", {**LONG, "stream": True, "logprobs": True, "top_logprobs": 20}))
        time.sleep(0.5)
        start = time.monotonic()
        assert server.json("POST", "/v1/completions", SHORT)["choices"]
        assert time.monotonic() - start < 5
        server.wait_idle(30)
        connection.close()


def test_a_request_that_takes_too_long_ends_where_it_is(nibble_bin, slow_model):
    with Server(nibble_bin, slow_model, "--threads", 1, "--timeout", 2) as server:
        answer = server.json("POST", "/v1/chat/completions", LONG)
        assert answer["choices"][0]["finish_reason"] == "length"
        assert 0 < answer["usage"]["completion_tokens"] < 3900


def test_a_full_queue_says_when_to_come_back(nibble_bin, slow_model):
    with Server(nibble_bin, slow_model, "--threads", 1, "--max-sequences", 1, "--max-queue", 1) as server:
        connections = [begin_stream(server)[0]]
        waiting = server.connect()
        waiting.sendall(post("/v1/chat/completions", {**LONG, "stream": True}))
        wait_until(lambda: server.json("GET", "/api/status")["queued"] > 0)
        status, headers, body = server.request("POST", "/v1/completions", SHORT)
        assert status == 429 and int(headers["retry-after"]) > 0
        assert json.loads(body)["error"]["type"] == "rate_limit_error"
        for connection in (*connections, waiting):
            connection.close()
        server.wait_idle()
        assert server.json("POST", "/v1/completions", SHORT)["choices"]


def test_many_connections(server):
    """Idle ones beyond the limit are told to come back; those that answer go on."""
    stream, _ = begin_stream(server)
    idle = [server.connect() for _ in range(450)]
    time.sleep(1)
    assert stream.recv(4096)
    refused = sum(1 for c in idle[-50:] if b" 503 " in read_all(c))
    assert refused > 0
    for connection in (*idle, stream):
        connection.close()
    server.wait_idle()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_lets_answers_finish(nibble_bin, slow_model, number):
    with Server(nibble_bin, slow_model, "--threads", 1, "--grace", 600) as server:
        longer, _ = begin_stream(server)  # however long the other one takes, the server does not end before this one
        connection = server.connect()
        connection.sendall(post("/v1/chat/completions", {**LONG, "max_tokens": 300, "stream": True},
                                extra="Connection: close\r\n"))
        data = connection.recv(4096)
        server.process.send_signal(number)
        wait_until(lambda: server.request("GET", "/health")[0] == 503)
        assert server.json("POST", "/v1/completions", SHORT, expect=503)["error"]["code"] == "shutting_down"
        longer.close()
        data += read_all(connection)
        assert data.endswith(b"0\r\n\r\n") and b"data: [DONE]" in data and b'"finish_reason":"length"' in data
        assert server.process.wait(60) == 0


def test_stopping_ends_answers_that_do_not_finish(nibble_bin, slow_model):
    with Server(nibble_bin, slow_model, "--threads", 1, "--grace", 1) as server:
        connection, data = begin_stream(server)
        whole = concurrent.futures.ThreadPoolExecutor().submit(server.request, "POST", "/v1/chat/completions", LONG)
        wait_until(lambda: server.json("GET", "/api/status")["active"] == 2)
        server.process.send_signal(signal.SIGTERM)
        data += read_all(connection)
        assert data.endswith(b"0\r\n\r\n") and b'"code":"shutting_down"' in data and b"data: [DONE]" in data
        status, headers, _ = whole.result()
        assert status == 503
        assert server.stop() == 0


def test_a_second_signal_does_not_wait(nibble_bin, slow_model):
    with Server(nibble_bin, slow_model, "--threads", 1, "--grace", 600) as server:
        stream, _ = begin_stream(server)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: server.request("GET", "/health")[0] == 503)
        assert server.stop(signal.SIGTERM, timeout=60) == 0
        stream.close()


def test_stopping_with_idle_connections(nibble_bin, slow_model):
    with Server(nibble_bin, slow_model, "--threads", 1) as server:
        connection = server.connect()
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(4096)
        start = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - start < 3


def test_keep_alive_serves_many_requests(server):
    import http.client
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for i in range(20):
        connection.request("POST", "/v1/completions", json.dumps(SHORT))
        assert connection.getresponse().read().startswith(b"{")
    connection.close()


def test_old_and_odd_http(server):
    with server.connect() as connection:  # 1.0 knows no chunks: the end of the connection is the stream's
        connection.sendall(post("/v1/completions", {**SHORT, "stream": True}).replace(b"HTTP/1.1", b"HTTP/1.0"))
        answer = read_all(connection)
        assert b"chunked" not in answer and answer.endswith(b"data: [DONE]\n\n")
    with server.connect() as connection:
        connection.sendall(b"HEAD /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert read_all(connection).endswith(b"\r\n\r\n")
    with server.connect() as connection:  # the second one does not wait for the first one's answer
        connection.sendall(post("/v1/completions", SHORT) + post("/v1/completions", SHORT, extra="Connection: close\r\n"))
        assert read_all(connection).count(b'"text_completion"') == 2
    with server.connect() as connection:  # the body follows what the server says first
        connection.sendall(post("/v1/completions", b"", extra="Expect: 100-continue\r\nConnection: close\r\n")
                           .replace(b"Content-Length: 0", b"Content-Length: 31"))
        assert connection.recv(4096).startswith(b"HTTP/1.1 100")
        connection.sendall(b'{"prompt": "x", "max_tokens":4}')
        assert b" 200 " in read_all(connection)


def test_unloading_under_an_answer(nibble_bin, slow_model, tmp_path):
    with Server(nibble_bin, slow_model, "--threads", 1) as server:
        connection, data = begin_stream(server)
        server.json("POST", "/api/models/unload", {"id": "slow"})
        assert connection.recv(4096)
        assert server.json("POST", "/v1/completions", SHORT, expect=404)
        connection.close()
        assert server.json("POST", "/api/models/load", {"id": "slow"})
        assert server.json("POST", "/v1/completions", SHORT)["choices"]


def test_a_burst_of_requests(server):
    """Forty at once; each gets the answer it gets alone."""
    bodies = [{"prompt": f"request {i % 8}", "max_tokens": 5, "temperature": 0} for i in range(40)]
    alone = [server.json("POST", "/v1/completions", body)["choices"][0]["text"] for body in bodies[:8]]
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda body: server.json("POST", "/v1/completions", body), bodies))
    assert [a["choices"][0]["text"] for a in answers] == [alone[i % 8] for i in range(40)]


def test_two_servers_do_not_share_a_port(nibble_bin, slow_model):
    with Server(nibble_bin, slow_model, "--threads", 1) as server:
        second = subprocess.run([nibble_bin, "serve", slow_model, "--port", str(server.port)], capture_output=True,
                                text=True, timeout=60)
        assert second.returncode == 1 and str(server.port) in second.stderr and "--port" in second.stderr
