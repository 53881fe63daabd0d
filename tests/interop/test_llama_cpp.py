"""Files written by nibble in llama.cpp (through llama-cpp-python): they load, and greedy text agrees.

Run by `make interop`, outside `make test`, since building llama-cpp-python takes minutes.
"""
import json
import os
import pathlib
import subprocess

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
NEW_TOKENS = 24
# Both engines quantize activations, each in its own blocks, so two candidates whose logits lie closer
# than this may change places; from there on the texts rightly differ.
TIE = 0.15


@pytest.fixture(scope="module", params=TYPES)
def model(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("interop") / f"{request.param}.gguf"
    subprocess.run([NIBBLE, "quantize", SOURCE, "-o", str(path), "--type", request.param, "--quiet"], check=True)
    yield path
    path.unlink()


def nibble_greedy(path, tokens):
    out = subprocess.run(
        [NIBBLE, "generate", str(path), "--tokens", ",".join(map(str, tokens)), "--greedy",
         "--max-new-tokens", str(NEW_TOKENS), "--json", "--quiet"],
        check=True, capture_output=True, text=True)
    return json.loads(out.stdout)["outputs"][0]["tokens"]


def llama_greedy(llama, tokens):
    """Greedy tokens and, for each, how far the best logit lay above every other."""
    llama.reset()
    llama.eval(tokens)
    chosen, gaps = [], []
    for _ in range(NEW_TOKENS):
        logits = llama.scores[llama.n_tokens - 1]
        best = int(logits.argmax())
        chosen.append(best)
        gaps.append(logits[best] - logits)
        if best == llama.token_eos():
            break
        llama.eval([best])
    return chosen, gaps


def test_llama_cpp_gives_the_same_greedy_text(model):
    llama = llama_cpp.Llama(str(model), n_ctx=256, n_threads=2, logits_all=True, verbose=False)
    same = 0
    for prompt in PROMPTS:
        tokens = llama.tokenize(prompt.encode(), add_bos=False)
        theirs, gaps = llama_greedy(llama, tokens)
        ours = nibble_greedy(model, tokens)
        split = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), None)
        if split is None:
            same += 1
        else:
            assert gaps[split][ours[split]] < TIE, (
                f"{prompt!r}: token {split} differs though llama.cpp prefers {theirs[split]} by "
                f"{gaps[split][ours[split]]:.3f}: {llama.detokenize(ours)!r} / {llama.detokenize(theirs)!r}")
    print(f"{model.name}: {same} of {len(PROMPTS)} texts the same to the last token")
