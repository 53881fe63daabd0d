"""A running `nibble serve` for the tests, and raw connections to it."""
import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import time


class Server:
    """Started with a free port; ends with the block it is used in."""

    def __init__(self, program, *arguments, environment=None, timeout=120):
        self.log_file = tempfile.TemporaryFile()
        self.process = subprocess.Popen([program, "serve", *map(str, arguments), "--port", "0"], stdout=subprocess.PIPE,
                                        stderr=self.log_file, env={**os.environ, **(environment or {})})
        if not select.select([self.process.stdout], [], [], timeout)[0]:
            self.stop(signal.SIGKILL)
            raise AssertionError("the server does not start: " + self.log_text())
        self.url = self.process.stdout.readline().decode().strip().removesuffix("/v1")
        assert self.url, self.log_text()
        self.port = int(self.url.rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()

    def stop(self, number=signal.SIGTERM, timeout=60):
        """The exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def log_text(self):
        self.log_file.seek(0)
        return self.log_file.read().decode()

    def log(self):
        """The lines of the log, of events."""
        return [json.loads(line) for line in self.log_text().splitlines() if line.startswith("{")]

    def resident(self):
        """Bytes of memory that are the process's own; mapped files come and go."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(next(line for line in status if line.startswith("RssAnon")).split()[1]) * 1024

    def connect(self, timeout=30):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def request(self, method, path, body=None, headers=None, timeout=120):
        """(status, headers, body) of one request on a connection of its own."""
        import http.client
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            data = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def json(self, method, path, body=None, expect=200, **options):
        status, _, text = self.request(method, path, body, **options)
        assert status == expect, (status, text)
        return json.loads(text)

    def wait_idle(self, timeout=30):
        """Waits until nothing is computed."""
        end = time.monotonic() + timeout
        while True:
            status = self.json("GET", "/api/status")
            if status["active"] == 0 and status["queued"] == 0:
                return status
            assert time.monotonic() < end, status
            time.sleep(0.05)


def post(path, body, extra=""):
    """The bytes of a request."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{extra}"
    return head.encode() + f"Content-Length: {len(data)}\r\n\r\n".encode() + data


def read_all(connection, timeout=30):
    """What comes until the other side closes."""
    connection.settimeout(timeout)
    data = b""
    while True:
        try:
            block = connection.recv(65536)
        except ConnectionResetError:
            return data
        if not block:
            return data
        data += block
