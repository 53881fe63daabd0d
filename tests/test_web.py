"""The page's own tests, of web/: types, logic, and Chromium with axe-core at the page that the build left in
web/dist, in front of an invented server and of this program with the real model.

CHROMIUM    the browser; default: /usr/bin/chromium, Debian's
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest
from conftest import ROOT
from serve_process import Server

WEB = ROOT / "web"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def run(*command, timeout=600, **environment):
    """The output of a command in web/. It and what it started end by then, by their process group: a browser
    goes with the test that holds it."""
    process = subprocess.Popen(command, cwd=WEB, env={**os.environ, **environment}, start_new_session=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            output, _ = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
        pytest.fail(f"{' '.join(command)} takes more than {timeout} s:\n{output}")
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def npm():
    """npm with what the tests need installed, which the build has done where it made the page."""
    program = shutil.which("npm")
    if program is None:
        pytest.skip("npm is not there")
    if not (WEB / "node_modules" / "playwright-core").is_dir():
        run(program, "ci", "--no-audit", "--no-fund", "--loglevel=error")
    return program


def browse(npm, **environment):
    """(passed, skipped) of the browser's tests."""
    if not pathlib.Path(CHROMIUM).is_file():
        pytest.fail(f"{CHROMIUM} is not there: tools/install_packages.sh browser, or set CHROMIUM")
    if not (WEB / "dist" / "index.html").is_file():
        run(npm, "run", "--silent", "build")
    output = run(npm, "run", "--silent", "test:built", CHROMIUM=CHROMIUM, UNTIMED="1", **environment)
    return [int(re.search(rf"^\W*{what} (\d+)$", output, re.MULTILINE)[1]) for what in ("pass", "skipped")]


def test_types(npm):
    run(npm, "run", "--silent", "check")


def test_logic(npm):
    run(npm, "run", "--silent", "test")


def test_in_a_browser_with_an_invented_server(npm):
    passed, skipped = browse(npm, NIBBLE_URL="")
    assert passed > 20 and skipped == 1  # the test of time


def test_in_a_browser_with_the_real_server_and_model(npm, nibble_bin, smol_model):
    with Server(nibble_bin, smol_model, environment={"NIBBLE_API_KEY": "secret"}) as server:
        if server.request("GET", "/")[0] == 404:
            pytest.skip("this program was built with NIBBLE_WEB=OFF")
        passed, _ = browse(npm, NIBBLE_URL=server.url, NIBBLE_KEY="secret")
    assert passed > 12
