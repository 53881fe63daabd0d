"""What every end-to-end test uses: the program, the real model, the data beside the repository.

NIBBLE_BIN    the program; default: build/release/nibble
NIBBLE_MODEL  a SmolLM2-135M-Instruct GGUF file; default: downloaded once into build/models
NIBBLE_DATA   the data folder; default: ../shared/data
"""
import fcntl
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "reference"))


# Of the test files that run side by side (make test), these take longest and begin first.
LONG = ["test_web.py", "test_calibration.py", "test_compare.py", "test_serve_faults.py", "test_optimize.py",
        "test_resume.py"]


def pytest_configure(config):
    """A worker of pytest-xdist and what it starts have processors of their own: nibble's threads wait actively for
    each other and would do so on those that the other tests need."""
    if (worker := getattr(config, "workerinput", None)) is None:
        return
    processors, workers = sorted(os.sched_getaffinity(0)), worker["workercount"]
    if own := processors[int(worker["workerid"].removeprefix("gw"))::workers]:
        os.sched_setaffinity(0, own)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(scope="session")
def nibble_bin():
    path = pathlib.Path(os.environ.get("NIBBLE_BIN", ROOT / "build" / "release" / "nibble"))
    if not path.is_file():
        pytest.fail(f"{path} is not there: build nibble first, or set NIBBLE_BIN")
    return str(path)


@pytest.fixture(scope="session")
def nibble(nibble_bin):
    """Runs the program: nibble("generate", model, ..., check=True) -> CompletedProcess with text."""

    def run(*arguments, check=True, timeout=300, input=None, **options):
        result = subprocess.run([nibble_bin, *map(str, arguments)], capture_output=True, timeout=timeout,
                                input=None if input is None else input.encode(), **options)
        # Not text=True: it would turn a carriage return, which a model may write, into a newline.
        result.stdout, result.stderr = result.stdout.decode(), result.stderr.decode()
        if check:
            assert result.returncode == 0, f"nibble {' '.join(map(str, arguments))}: {result.stderr}"
        return result

    return run


@pytest.fixture(scope="session")
def smol_model():
    """The path of the real model. Skips where there is no way to get it."""
    if given := os.environ.get("NIBBLE_MODEL"):
        return given
    models = ROOT / "build" / "models"
    models.mkdir(parents=True, exist_ok=True)
    with open(models / ".lock", "w") as lock:  # against a second download by tests that run at the same time
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = subprocess.run([sys.executable, ROOT / "tools" / "get_smollm2.py", models], capture_output=True, text=True)
    if result.returncode:
        pytest.skip(result.stderr.strip().splitlines()[-1])
    return result.stdout.strip()


@pytest.fixture(scope="session")
def data_dir():
    """ARC, WikiText-2 and the Llama 2 tokenizer. Skips where they are not at hand."""
    path = pathlib.Path(os.environ.get("NIBBLE_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"{path} is not there")
    return path
