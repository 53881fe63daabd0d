"""Files written by nibble in llama.cpp (through llama-cpp-python): they load, and greedy text agrees.

Both engines quantize activations, each in its own blocks, so their logits differ by that noise. What is exact
is told by a third computation: llama.cpp on the same weights stored as float32. Nibble must not lie farther
from it than llama.cpp does, and two texts may part only where the noise covers the two candidates' distance.

Run by `make interop`, outside `make test`, since building llama-cpp-python takes minutes.
"""
import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

llama_cpp = pytest.importorskip("llama_cpp")

ROOT = pathlib.Path(__file__).resolve().parents[2]
NIBBLE = os.environ.get("NIBBLE_BIN", str(ROOT / "build/release/nibble"))
SOURCE = os.environ["NIBBLE_MODEL"]
TYPES = [
    "f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q5_0", "q5_1", "q4_k_m", "q4_k_s", "q4_0", "q4_1",
    "iq4_nl", "iq4_xs", "q3_k_m", "q2_k", "mxfp4",
]
PROMPTS = ["The capital of France is", "Once upon a time, there was a", "Water boils at"]
TEXT = "Once upon a time, a small town in the hills had a baker who made the best bread. Water boils at"
NEW_TOKENS = 24
# Rounding of float32 and float16 sums, in the order of each engine.
FLOAT_NOISE = 0.02
@pytest.fixture(scope="module", params=TYPES)
def models(request, tmp_path_factory):
    """The file, and its weights as float32."""
    directory = tmp_path_factory.mktemp("interop")
    model, exact = directory / f"{request.param}.gguf", directory / f"{request.param}-f32.gguf"
    for source, target, kind in ((SOURCE, model, request.param), (model, exact, "f32")):
        subprocess.run([NIBBLE, "quantize", source, "-o", target, "--type", kind, "--quiet"], check=True)
    yield model, exact
    shutil.rmtree(directory)


def load(path):
    return llama_cpp.Llama(str(path), n_ctx=256, n_threads=2, logits_all=True, verbose=False)


def llama_logits(llama, tokens):
    """What llama.cpp computes token by token, as in generation: float32 [tokens, vocabulary]."""
    llama.reset()
    rows = []
    for token in tokens:
        llama.eval([token])
        rows.append(llama.scores[llama.n_tokens - 1].copy())
    return np.array(rows)


def nibble_logits(path, tokens):
    out = path.with_suffix(".npy")
    subprocess.run([NIBBLE, "logits", path, "--tokens", ",".join(map(str, tokens)), "-o", out, "--quiet"], check=True)
    return np.load(out)


def nibble_greedy(path, tokens):
    out = subprocess.run(
        [NIBBLE, "generate", path, "--tokens", ",".join(map(str, tokens)), "--greedy",
         "--max-new-tokens", str(NEW_TOKENS), "--json", "--quiet"],
        check=True, capture_output=True, text=True)
    return json.loads(out.stdout)["outputs"][0]["tokens"]


def llama_greedy(llama, tokens):
    llama.reset()
    llama.eval(tokens)
    chosen = []
    for _ in range(NEW_TOKENS):
        chosen.append(int(llama.scores[llama.n_tokens - 1].argmax()))
        if chosen[-1] == llama.token_eos():
            break
        llama.eval(chosen[-1:])
    return chosen


def noise(logits, exact):
    """The difference, without what is common to a row: softmax does not see it."""
    difference = logits - exact
    return difference - difference.mean(axis=-1, keepdims=True)


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


def test_logits_are_as_exact_as_those_of_llama_cpp(models):
    model, twin = models
    llama = load(twin)
    tokens = llama.tokenize(TEXT.encode(), add_bos=False)
    exact = llama_logits(llama, tokens)
    theirs, ours = rms(noise(llama_logits(load(model), tokens), exact)), rms(noise(nibble_logits(model, tokens), exact))
    print(f"{model.name}: distance from exact logits: nibble {ours:.4f}, llama.cpp {theirs:.4f}")
    # Two samples of noise, over some thirty rows that depend on each other.
    assert ours <= max(1.25 * theirs, FLOAT_NOISE)


def test_greedy_text_agrees_with_llama_cpp(models):
    model, twin = models
    llama, same = load(model), 0
    for prompt in PROMPTS:
        tokens = llama.tokenize(prompt.encode(), add_bos=False)
        theirs, ours = llama_greedy(llama, tokens), nibble_greedy(model, tokens)
        split = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), None)
        if split is None:
            same += 1
            continue
        context = tokens + theirs[:split]
        exact = llama_logits(load(twin), context)[-1]
        tie = 2 * max(np.abs(noise(llama_logits(llama, context)[-1], exact)).max(), FLOAT_NOISE)
        gap = abs(exact[theirs[split]] - exact[ours[split]])
        assert gap <= tie, (f"{prompt!r}: token {split} differs by {gap:.3f}, the noise is {tie:.3f}: "
                            f"{llama.detokenize(ours)!r} / {llama.detokenize(theirs)!r}")
    print(f"{model.name}: {same} of {len(PROMPTS)} texts the same to the last token")
