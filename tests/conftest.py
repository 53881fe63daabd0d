"""What every end-to-end test uses: the program, the real model, the data beside the repository.

NIBBLE_BIN    the program; default: build/release/nibble
NIBBLE_MODEL  a SmolLM2-135M-Instruct GGUF file; default: downloaded once into build/models
NIBBLE_DATA   the data folder; default: ../shared/data
"""
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "reference"))


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
    result = subprocess.run([sys.executable, ROOT / "tools" / "get_smollm2.py", ROOT / "build" / "models"],
                            capture_output=True, text=True)
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
