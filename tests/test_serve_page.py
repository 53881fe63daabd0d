"""The page's files as nibble serve gives them; the page itself has tests of its own in web/."""
import gzip
import re

import pytest
import tiny_model
from serve_process import Server


@pytest.fixture(scope="module")
def server(nibble_bin, tmp_path_factory):
    model = tiny_model.write(tmp_path_factory.mktemp("tiny") / "tiny.gguf")
    with Server(nibble_bin, model, "--threads", 1, environment={"NIBBLE_API_KEY": "secret"}) as running:
        if running.request("GET", "/")[0] == 404:
            pytest.skip("this program was built with NIBBLE_WEB=OFF")
        yield running


def test_the_page_needs_no_key_and_nothing_from_elsewhere(server):
    status, headers, body = server.request("GET", "/")
    assert status == 200 and headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-cache" and headers["x-content-type-options"] == "nosniff"
    for address in re.findall(r'(?:src|href)="([^"]+)"', body.decode()):
        assert not address.startswith(("http:", "https:", "//")), address


def test_files_are_compressed_and_cached(server):
    plain = server.request("GET", "/")[2]
    status, headers, packed = server.request("GET", "/", headers={"Accept-Encoding": "gzip, br"})
    assert status == 200 and headers["content-encoding"] == "gzip" and gzip.decompress(packed) == plain
    status, _, body = server.request("GET", "/", headers={"If-None-Match": headers["etag"]})
    assert status == 304 and body == b""
    assets = re.findall(r'(?:src|href)="\.?(/assets/[^"]+)"', plain.decode())
    assert assets
    for path in assets:
        status, headers, body = server.request("GET", path)
        assert status == 200 and "immutable" in headers["cache-control"] and body
        kind = headers["content-type"].split(";")[0]
        assert kind == {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}[path.rsplit(".", 1)[1]]


def test_other_paths_are_not_found(server):
    for path in ("/assets/none.js", "/../etc/passwd", "/assets/", "/%2e%2e/%2e%2e/etc/passwd"):
        assert server.request("GET", path)[0] == 404, path


def test_without_the_page(nibble_bin, tmp_path):
    model = tiny_model.write(tmp_path / "tiny.gguf")
    with Server(nibble_bin, model, "--threads", 1, "--no-web") as server:
        assert server.json("GET", "/", expect=404)["error"]["code"] == "unknown_url"
        assert server.json("GET", "/v1/models")["data"]
