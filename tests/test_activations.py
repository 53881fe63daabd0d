"""What multiplying with int8 activations costs: KL divergence from the same weights with --activations f32."""
import json
import pathlib

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
CHUNK, CHUNKS = 512, 4
LIMIT = 0.004  # nats per token


@pytest.fixture(scope="module")
def chunks(nibble, smol_model):
    """Token ids of the bundled prose, in chunks."""
    text = ROOT / "data" / "text" / "prose.txt"
    ids = json.loads(nibble("tokenize", smol_model, "--file", text, "--json").stdout)["ids"]
    return [ids[i * CHUNK:(i + 1) * CHUNK] for i in range(CHUNKS)]


def log_probabilities(nibble, model, ids, form, path):
    nibble("logits", model, "--tokens", ",".join(map(str, ids)), "-o", path, "--activations", form, "--quiet")
    logits = np.load(path).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("name", ["q8_0", "q4_0"])
def test_int8_activations_cost_little(nibble, smol_model, chunks, tmp_path, name):
    model = tmp_path / f"{name}.gguf"
    nibble("quantize", smol_model, "-o", model, "--type", name, "--quiet")
    divergences = []
    for ids in chunks:
        exact = log_probabilities(nibble, model, ids, "f32", tmp_path / "exact.npy")
        fast = log_probabilities(nibble, model, ids, "int8", tmp_path / "fast.npy")
        divergences.append((np.exp(exact) * (exact - fast)).sum(axis=1))
    mean = np.concatenate(divergences).mean()
    print(f"{name}: KL divergence of int8 from float32 activations {mean:.5f}")
    assert 0 < mean < LIMIT, f"{name}: {mean}"


def test_an_unknown_form_is_refused(nibble, smol_model):
    result = nibble("generate", smol_model, "-p", "x", "--activations", "f8", check=False)
    assert result.returncode == 2 and "f8" in result.stderr
