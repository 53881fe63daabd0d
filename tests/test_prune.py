"""`nibble quantize --prune` as a user runs it: what becomes zero, what it is stored as, what is refused."""
import json
import shutil

import gguf
import numpy as np
import pytest

import tiny_model
from make_checkpoint import make_config, make_weights, write_huggingface

SMALL = ["--calibration-sequences", 4, "--calibration-tokens", 24, "--quiet"]
TEXT = "It was a bright cold day in April, and the clocks were striking thirteen. " * 4
METHODS = ["wanda", "sparsegpt"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model.write(tmp_path_factory.mktemp("prune") / "tiny.gguf", hidden=64, ffn=256)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(TEXT)
    return path


def prune(nibble, model, out, text, *flags, method="wanda", kind="f32", **options):
    return nibble("quantize", model, "-o", out, "--type", kind, "--prune", method, "--calibration", text, *SMALL, *flags,
                  **options)


def matrices(path):
    """The matrices of the layers, and the others, as float32 [rows, columns]."""
    found = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(path).tensors
             if len(t.shape) == 2}
    return ({name: w for name, w in found.items() if name.startswith("blk.")},
            {name: w for name, w in found.items() if not name.startswith("blk.")})


def types(nibble, path):
    report = json.loads(nibble("inspect", path, "--json", "--tensors").stdout)
    return {t["name"]: t["type"] for t in report["tensors"] if len(t["shape"]) == 2}


def logits(nibble, path, tmp_path, *flags):
    nibble("logits", path, "--tokens", "1,2,3,40,50", "-o", tmp_path / "logits.npy", "--quiet", *flags)
    return np.load(tmp_path / "logits.npy").ravel()


@pytest.mark.parametrize("method", METHODS)
def test_a_pattern_holds_in_every_layer_and_nowhere_else(nibble, model, text, tmp_path, method):
    out = tmp_path / "out.gguf"
    prune(nibble, model, out, text, "--sparsity", "2:4", method=method)
    layers, others = matrices(out)
    for name, w in layers.items():
        assert ((w.reshape(-1, 4) != 0).sum(axis=1) == 2).all(), name
    original = matrices(model)[1]
    assert all(np.array_equal(w, original[name]) for name, w in others.items())
    fields = gguf.GGUFReader(out).fields
    assert fields["nibble.prune.method"].contents() == method
    assert fields["nibble.prune.sparsity"].contents() == "2:4"
    assert fields["nibble.calibration.source"].contents() == str(text)
    shown = nibble("inspect", out).stdout
    assert "nibble.prune.method" in shown and "2:4" in shown


def test_wanda_prunes_the_first_layer_by_its_score(nibble, data_dir, text, tmp_path):
    """Its inputs are the normed embeddings of the text; the rows of queries and keys change their order."""
    config = make_config("llama-bias", vocab_size=32000, hidden_size=64, intermediate_size=96, head_dim=16,
                         num_attention_heads=4)
    source, out, weights = tmp_path / "hf", tmp_path / "out.gguf", make_weights(config)
    write_huggingface(source, config, weights)
    shutil.copy(data_dir / "llama2-tokenizer" / "tokenizer.model", source)
    ids = json.loads(nibble("tokenize", source, "--text", TEXT, "--no-special", "--json").stdout)["ids"]
    nibble("quantize", source, "-o", out, "--type", "f32", "--prune", "wanda", "--sparsity", "0.25", "--calibration", text,
           "--calibration-sequences", 1, "--calibration-tokens", len(ids), "--quiet")
    x = weights["model.embed_tokens.weight"][[1] + ids[1:]].astype(np.float64)
    x *= weights["model.layers.0.input_layernorm.weight"] / np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-5)
    w = weights["model.layers.0.self_attn.v_proj.weight"]
    scores = np.abs(w) * np.linalg.norm(x, axis=0)
    expected = np.where(np.argsort(np.argsort(scores, axis=1), axis=1) < 16, 0, w)
    assert np.array_equal(matrices(out)[0]["blk.0.attn_v.weight"], expected)


@pytest.mark.parametrize("kind, stored", [("q8_0", "Q8_S50"), ("q4_0", "Q4_S50")])
@pytest.mark.parametrize("sparsity", ["2:4", "16:32"])
def test_half_of_the_weights_are_stored_where_a_pattern_allows_it(nibble, model, text, tmp_path, kind, stored, sparsity):
    out, dense, exact = (tmp_path / f"{name}.gguf" for name in ("out", "dense", "exact"))
    prune(nibble, model, out, text, "--sparsity", sparsity, kind=kind)
    prune(nibble, model, exact, text, "--sparsity", sparsity)
    nibble("quantize", model, "-o", dense, "--type", kind, "--quiet")
    assert all((kind == stored) == name.startswith("blk.") for name, kind in types(nibble, out).items())
    assert out.stat().st_size < 0.9 * dense.stat().st_size
    back = tmp_path / "back.gguf"
    nibble("quantize", out, "-o", back, "--type", "f32", "--quiet")
    assert np.allclose(logits(nibble, out, tmp_path, "--activations", "f32"), logits(nibble, back, tmp_path), atol=1e-4)
    for name, w in matrices(back)[0].items():
        assert ((w.reshape(-1, 32) != 0).sum(axis=1) <= 16).all(), name
        # The inputs of later layers depend on the type.
        assert ((w != 0) <= (matrices(exact)[0][name] != 0)).all() or not name.startswith("blk.0."), name


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["f16", "q8_0", "q5_0", "q4_0", "mxfp4"])
def test_zeros_stay_zeros(nibble, model, text, tmp_path, method, kind):
    out = tmp_path / "out.gguf"
    prune(nibble, model, out, text, "--sparsity", "0.5", method=method, kind=kind)
    assert {of for name, of in types(nibble, out).items() if name.startswith("blk.")} == {kind.upper()}
    for name, w in matrices(out)[0].items():
        assert (w == 0).mean() >= 0.49, name


@pytest.mark.parametrize("sparsity, stored", [("2:4", "Q4_S50"), ("0.5", "Q4_0")])
@pytest.mark.parametrize("method", METHODS)
def test_a_matrix_that_its_type_does_not_hold_is_promoted_to_one_with_zeros(nibble, model, text, tmp_path, sparsity, stored,
                                                                            method):
    far, out, back = (tmp_path / f"{name}.gguf" for name in ("far", "out", "back"))
    data, name = bytearray(model.read_bytes()), "blk.1.ffn_up.weight"
    tensor = next(t for t in gguf.GGUFReader(model).tensors if t.name == name)
    data[tensor.data_offset:tensor.data_offset + tensor.n_bytes] = (tensor.data * np.float32(4e6)).tobytes()
    far.write_bytes(data)
    summary = json.loads(prune(nibble, far, out, text, "--sparsity", sparsity, "--json", method=method, kind="q4_0").stdout)
    promoted = {t["name"]: (t["promoted_from"], t["to"]) for t in summary["tensors"] if "promoted_from" in t}
    assert promoted == {name: (stored, "Q8_0")}  # Q5_1, which is the next for rows of 64, has no zero
    nibble("quantize", out, "-o", back, "--type", "f32", "--quiet")
    of_four = (matrices(back)[0][name].reshape(-1, 4) != 0).sum(axis=1)
    assert of_four.mean() <= 2 and (sparsity == "0.5" or (of_four == 2).mean() > 0.9)
    assert np.isfinite(logits(nibble, out, tmp_path)).all()


@pytest.mark.parametrize("kind", [["int8"], ["int4"], ["nf4"], ["fp4"]])
def test_types_of_our_own(nibble, model, text, tmp_path, kind):
    out = tmp_path / "out.gguf"
    prune(nibble, model, out, text, kind=kind[0])
    assert np.isfinite(logits(nibble, out, tmp_path)).all()
    report = json.loads(nibble("inspect", out, "--json").stdout)
    assert report["metadata"]["nibble.prune.sparsity"] == "0.5"


@pytest.mark.parametrize("flags", [["--prune", "wanda"], ["--prune", "sparsegpt", "--sparsity", "2:4"]])
def test_threads_do_not_change_the_file(nibble, model, text, tmp_path, flags):
    files = []
    for threads in (1, 3):
        out = tmp_path / f"{threads}.gguf"
        nibble("quantize", model, "-o", out, "--type", "q8_0", *flags, "--calibration", text, *SMALL, "--threads", threads)
        files.append(out.read_bytes())
    assert files[0] == files[1]


def test_a_pruned_file_is_packed_and_maps(nibble, model, text, tmp_path):
    out = tmp_path / "out.gguf"
    prune(nibble, model, out, text, "--sparsity", "2:4", kind="q4_0")
    before = logits(nibble, out, tmp_path)
    nibble("pack", out, "--quiet")
    assert np.array_equal(logits(nibble, out, tmp_path), before)


@pytest.mark.parametrize("flags, message", [
    (["--type", "q8_0", "--sparsity", "0.5"], "--sparsity says how much --prune takes: give --prune too"),
    (["--type", "q8_0", "--prune", "wanda", "--sparsity", "3:5"], "--sparsity 3:5: give the share of zeros"),
    (["--type", "q8_0", "--prune", "wanda", "--method", "gptq"], "leave --method gptq out"),
    (["--type", "q8_0", "--prune", "wanda", "--imatrix", "IMATRIX"], "leave --imatrix out"),
    (["--type", "q4_1", "--prune", "wanda"], "blk.0.attn_q.weight would become Q4_1, whose blocks have no zero"),
    (["--type", "iq4_nl", "--prune", "sparsegpt"], "IQ4_NL, whose blocks have no zero: with --prune take --type f16, q8_0"),
    (["--type", "nf4", "--double-quant", "--prune", "wanda"], "NF4_DQ, whose blocks are quantized over the whole tensor"),
    (["--type", "q8_s50"], "Q8_S50 is how pruned matrices are stored: use Q8_0 with --prune and --sparsity 2:4"),
    (["--type", "q8_0", "--token-embedding-type", "q4_s50"], "Q4_S50 is how pruned matrices are stored"),
    (["--type", "q8_0", "--prune", "magnitude"], "--prune")])
def test_wrong_usage_names_the_remedy(nibble, model, tmp_path, flags, message):
    flags = [str(model) if flag == "IMATRIX" else flag for flag in flags]
    result = nibble("quantize", model, "-o", tmp_path / "o.gguf", *flags, "--quiet", check=False)
    assert result.returncode == 2 and message in result.stderr
    assert not (tmp_path / "o.gguf").exists()


def test_the_real_model_survives_the_loss_of_a_third_of_its_weights(nibble, smol_model, data_dir, tmp_path):
    """Which method is ahead depends on the text's length (docs/quantization.md); that of the error on the text that
    calibrates is quantize/prune_test.cpp's."""
    base, out = tmp_path / "f32.gguf", tmp_path / "out.gguf"
    nibble("quantize", smol_model, "-o", base, "--type", "f32", "--quiet")
    for method in METHODS:
        nibble("quantize", base, "-o", out, "--type", "q8_0", "--prune", method, "--sparsity", "0.3", "--calibration",
               data_dir / "arc", "--calibration-sequences", 12, "--calibration-tokens", 256, "--quiet", timeout=900)
        result = nibble("eval", out, "--kld", data_dir / "wikitext-2-raw" / "wiki.test.raw", "--base", base, "--chunks", 3,
                        "--context", 256, "--quiet", "--json", "-")
        # A model that has lost its way diverges by a nat and more: half of the weights taken away cost 1.05.
        assert json.loads(result.stdout)["kld"] < 0.4, method
