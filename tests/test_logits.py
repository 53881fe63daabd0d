"""Logits of every architecture and rope scaling, from every kind of checkpoint, against tests/reference."""
import numpy as np
import pytest

from forward import forward
from make_checkpoint import MODELS, ROPES, make_config, make_weights, rounded, write_gguf, write_huggingface

# Longer than every sliding window and original context of make_checkpoint, and no multiple of anything.
TOKENS = np.random.default_rng(7).integers(0, 131, 101).tolist()


def logits(nibble, model, tmp_path, *options, tokens=TOKENS):
    out = tmp_path / "logits.npy"
    nibble("logits", model, "--tokens", ",".join(map(str, tokens)), "-o", out, "--quiet", *options)
    return np.load(out)


def write(kind, path, config, weights):
    """A checkpoint of one kind, and its weights as they are once stored."""
    dtype = kind.split("-")[1]
    if kind.startswith("gguf"):
        stored = {n: w if w.ndim == 1 else rounded({n: w}, dtype)[n] for n, w in weights.items()}
        return write_gguf(path.with_suffix(".gguf"), config, weights, dtype), stored
    shards = 3 if kind.startswith("sharded") else 1
    return write_huggingface(path, config, weights, dtype, shards), rounded(weights, dtype)


@pytest.mark.parametrize("kind", ["hf-F32", "gguf-F32"])
@pytest.mark.parametrize("rope", ROPES)
@pytest.mark.parametrize("model", MODELS)
def test_architecture_and_rope(nibble, tmp_path, model, rope, kind):
    config = make_config(model, rope)
    path, weights = write(kind, tmp_path / "model", config, make_weights(config))
    expected = forward(config, weights, TOKENS)
    result = logits(nibble, path, tmp_path)
    assert result.dtype == np.float32 and result.shape == expected.shape
    assert abs(result - expected).max() < 1e-3


@pytest.mark.parametrize("kind", ["hf-F16", "hf-BF16", "sharded-BF16", "sharded-F32", "gguf-F16", "gguf-BF16"])
@pytest.mark.parametrize("model", ["llama", "qwen2", "qwen3"])
def test_storage_types(nibble, tmp_path, model, kind):
    config = make_config(model)
    path, weights = write(kind, tmp_path / "model", config, make_weights(config))
    assert abs(logits(nibble, path, tmp_path) - forward(config, weights, TOKENS)).max() < 1e-3


@pytest.mark.parametrize("model", ["llama", "mistral", "qwen2", "qwen3"])
def test_f16_cache(nibble, tmp_path, model):
    """Keys and values are rounded to float16 in the reference too. A value near the middle of two halves may
    be rounded up here and down there, which moves it by one spacing; rounding itself moves every value, by
    up to half of one. So what is left must be a part of what rounding does."""
    config = make_config(model)
    path, weights = write("hf-F32", tmp_path / "model", config, make_weights(config))
    result = logits(nibble, path, tmp_path, "--kv-type", "f16")
    exact, halves = forward(config, weights, TOKENS), forward(config, weights, TOKENS, kv_dtype=np.float16)
    assert abs(result - halves).mean() < 0.5 * abs(exact - halves).mean()
    assert abs(result - halves).max() < abs(exact - halves).max() < 0.1


def test_reference_sees_what_it_tests(nibble, tmp_path):
    """Every feature moves the logits by far more than the tolerance."""
    plain = make_config("llama")
    weights = make_weights(plain)
    base = forward(plain, weights, TOKENS)
    for rope in ROPES:
        if rope != "none":
            assert abs(forward(make_config("llama", rope), weights, TOKENS) - base).max() > 0.1, rope
    assert abs(forward(make_config("mistral"), weights, TOKENS) - base).max() > 0.1
    for model in "llama-bias", "qwen2", "qwen3":
        config = make_config(model)
        weights = make_weights(config)
        without = {n: np.ones_like(w) if n.endswith("q_norm.weight") else w for n, w in weights.items()
                   if not n.endswith("_proj.bias")}
        assert abs(forward(config, weights, TOKENS) - forward(config, without, TOKENS)).max() > 0.1, model


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_nothing(nibble, tmp_path, threads):
    config = make_config("llama")
    path, _ = write("hf-F32", tmp_path / "model", config, make_weights(config))
    result = logits(nibble, path, tmp_path, "--threads", threads)
    assert (result == logits(nibble, path, tmp_path, "--threads", 2)).all()


def test_more_tokens_than_a_slice(nibble, tmp_path):
    tokens = (TOKENS * 6)[:600]
    for rope in "none", "dynamic":
        config = make_config("llama-mha", rope, max_position_embeddings=600 if rope == "none" else 200)
        path, weights = write("hf-F32", tmp_path / rope, config, make_weights(config))
        result = logits(nibble, path, tmp_path, tokens=tokens)
        assert abs(result - forward(config, weights, tokens)).max() < 1e-3


def failure(nibble, *arguments):
    result = nibble("logits", *arguments, check=False)
    assert result.stderr.startswith("nibble: ") and result.stderr.count("\n") == 1
    return result.returncode, result.stderr


def test_errors(nibble, tmp_path):
    config = make_config("llama")
    path, _ = write("hf-F32", tmp_path / "model", config, make_weights(config))
    out = tmp_path / "logits.npy"
    long = ",".join(["1"] * 257)
    status, message = failure(nibble, path, "--tokens", long, "-o", out, "--quiet")
    assert status == 1 and "257" in message and "256" in message
    status, message = failure(nibble, path, "--tokens", "1,2,3", "-o", out, "--context", 2, "--quiet")
    assert status == 1 and "--context" in message
    status, message = failure(nibble, path, "--tokens", "1,131", "-o", out, "--quiet")
    assert status == 1 and "131" in message and "index 1" in message
    for tokens in "1,,2", "1,2,", "one", "-", "99999999999":
        status, message = failure(nibble, path, f"--tokens={tokens}", "-o", out, "--quiet")
        assert status == 2 and "--tokens" in message
    assert failure(nibble, path, "-o", out)[0] == 2
    assert failure(nibble, path, "--tokens", "1", "--prompt", "a", "-o", out)[0] == 2
    status, message = failure(nibble, path, "--prompt", "a", "-o", out, "--quiet")
    assert status == 1 and "tokenizer" in message
    assert not out.exists()


@pytest.mark.parametrize("rope", ["none", "linear", "llama3", "yarn"])
@pytest.mark.parametrize("model", MODELS)
def test_converted_to_gguf(nibble, tmp_path, model, rope):
    """`nibble quantize --type f32` of a Hugging Face directory is the same model as GGUF."""
    config = make_config(model, rope)
    weights = make_weights(config)
    write_huggingface(tmp_path / "hf", config, weights)
    nibble("quantize", tmp_path / "hf", "-o", tmp_path / "out.gguf", "--type", "f32", "--quiet")
    result = logits(nibble, tmp_path / "out.gguf", tmp_path)
    assert abs(result - forward(config, weights, TOKENS)).max() < 1e-3
