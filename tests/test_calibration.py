"""Calibration: where its text comes from, and the methods of `quantize --method` as a user runs them."""
import json
import shutil

import gguf
import numpy as np
import pytest

import tiny_model
from make_checkpoint import make_config, make_weights, write_huggingface

SMALL = ["--calibration-sequences", 4, "--calibration-tokens", 24, "--quiet"]
TEXT = "It was a bright cold day in April, and the clocks were striking thirteen. " * 4


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model.write(tmp_path_factory.mktemp("calibration") / "tiny.gguf", hidden=64, ffn=256)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


METHODS = {"gptq": [], "awq": [], "smoothquant": [], "autoround": ["--steps", 12]}
OF_ANY_TYPE = [method for method in METHODS if method != "smoothquant"]


def kind_of(method):
    return "q4_0" if method in OF_ANY_TYPE else "q8_0"


def quantize(nibble, model, out, *flags, method="gptq", **options):
    return nibble("quantize", model, "-o", out, "--type", kind_of(method), "--pure", "--method", method,
                  *METHODS.get(method, []), *SMALL, *flags, **options)


def imatrix(nibble, model, out, *flags):
    nibble("imatrix", model, "-o", out, *SMALL, *flags)
    return {t.name: np.array(t.data) for t in gguf.GGUFReader(out).tensors}


@pytest.mark.parametrize("method", METHODS)
def test_the_file_keeps_its_tensors_and_says_how_it_was_made(nibble, model, text, tmp_path, method):
    out = tmp_path / "out.gguf"
    summary = json.loads(quantize(nibble, model, out, "--calibration", text, "--json", method=method).stdout)
    reader, source = gguf.GGUFReader(out), gguf.GGUFReader(model)
    assert reader.fields["nibble.quantize.method"].contents() == method
    assert reader.fields["nibble.calibration.source"].contents() == str(text)
    assert reader.fields["nibble.calibration.tokens"].contents() == 4 * 24
    kinds = {t.name: (t.tensor_type.name, list(t.shape)) for t in reader.tensors}
    assert kinds == {t.name: (kind_of(method).upper() if len(t.shape) == 2 else "F32", list(t.shape)) for t in source.tensors}
    assert summary["file_bytes"] == out.stat().st_size


@pytest.mark.parametrize("method", METHODS)
def test_threads_do_not_change_the_file(nibble, model, text, tmp_path, method):
    files = []
    for threads in (1, 3):
        out = tmp_path / f"{threads}.gguf"
        quantize(nibble, model, out, "--calibration", text, "--threads", threads, method=method)
        files.append(out.read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize("method", OF_ANY_TYPE)
@pytest.mark.parametrize("kind", ["q5_0", "q4_1", "iq4_nl", "mxfp4", "nf4", "int8"])
def test_other_types(nibble, model, text, tmp_path, kind, method):
    out = tmp_path / "out.gguf"
    nibble("quantize", model, "-o", out, "--type", kind, "--pure", "--method", method, *METHODS[method], "--calibration",
           text, *SMALL)
    nibble("logits", out, "--tokens", "1,2,3", "-o", tmp_path / "logits.npy")
    assert np.isfinite(np.load(tmp_path / "logits.npy")).all()


@pytest.mark.parametrize("method", ["gptq", "smoothquant"])
def test_a_recipe_names_its_method(nibble, model, text, tmp_path, method):
    recipe, files = tmp_path / "recipe.json", []
    recipe.write_text(json.dumps({"nibble_recipe": 1, "type": kind_of(method), "method": method}))
    for flags in (["--recipe", recipe], ["--type", kind_of(method), "--method", method]):
        nibble("quantize", model, "-o", tmp_path / "out.gguf", *flags, "--calibration", text, *SMALL)
        files.append((tmp_path / "out.gguf").read_bytes())
    assert files[0] == files[1]
    assert gguf.GGUFReader(tmp_path / "out.gguf").fields["nibble.quantize.method"].contents() == method


FAR = "blk.1.ffn_up.weight"


def promoted_where_one_is_far(nibble, model, text, out, factor, method):
    """What was promoted when the values of one matrix are so many times larger."""
    far, data = out.with_name("far.gguf"), bytearray(model.read_bytes())
    tensor = next(t for t in gguf.GGUFReader(model).tensors if t.name == FAR)
    data[tensor.data_offset:tensor.data_offset + tensor.n_bytes] = (tensor.data * np.float32(factor)).tobytes()
    far.write_bytes(data)
    summary = json.loads(quantize(nibble, far, out, "--calibration", text, "--json", method=method).stdout)
    return {t["name"]: (t["promoted_from"], t["to"]) for t in summary["tensors"] if "promoted_from" in t}


@pytest.mark.parametrize("method", OF_ANY_TYPE)
def test_a_tensor_that_its_type_does_not_hold_is_promoted(nibble, model, text, tmp_path, method):
    out = tmp_path / "out.gguf"
    promoted = promoted_where_one_is_far(nibble, model, text, out, 1e7, method)
    assert promoted == {FAR: ("Q4_0", "Q8_0")}  # rows of 64: Q5_1's minimum does not reach as far either
    nibble("logits", out, "--tokens", "1,2,3", "-o", tmp_path / "logits.npy")
    assert np.isfinite(np.load(tmp_path / "logits.npy")).all()


def test_what_smoothquants_scales_make_too_small_is_promoted(nibble, model, text, tmp_path):
    """ffn_gate shares its input, and so its scales, with ffn_up, whose columns they bring back to size."""
    out = tmp_path / "out.gguf"
    promoted = promoted_where_one_is_far(nibble, model, text, out, 1e12, "smoothquant")
    assert promoted == {"blk.1.ffn_gate.weight": ("Q8_0", "F32")}
    nibble("logits", out, "--tokens", "1,2,3", "-o", tmp_path / "logits.npy")
    assert np.isfinite(np.load(tmp_path / "logits.npy")).all()


def test_a_file_of_json_lines_is_its_texts(nibble, model, tmp_path):
    lines, plain = tmp_path / "lines.jsonl", tmp_path / "plain.txt"
    parts = ["one two three " * 6, "vier fünf sechs " * 6]
    lines.write_text("\n".join(json.dumps({"text": part}) for part in parts) + "\n")
    plain.write_text("".join(part + "\n\n" for part in parts))
    a, b = (imatrix(nibble, model, tmp_path / "i.gguf", "--calibration", path) for path in (lines, plain))
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_arc_comes_as_questions_with_their_answers(nibble, model, tmp_path):
    arc, plain = tmp_path / "arc", tmp_path / "plain.txt"
    arc.mkdir()
    question = {"id": "1", "answerKey": "B", "question": {"stem": "Which one burns?", "choices": [
        {"label": "A", "text": "water"}, {"label": "B", "text": "wood"}]}}
    (arc / "ARC-Easy-Train.jsonl").write_text((json.dumps(question) + "\n") * 4)
    (arc / "ARC-Easy-Test.jsonl").write_text("not to be read")
    plain.write_text("Question: Which one burns?\nAnswer: wood\n\n" * 4)
    a, b = (imatrix(nibble, model, tmp_path / "i.gguf", "--calibration", path) for path in (arc, plain))
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_the_model_writes_its_own_text_and_the_seed_repeats_it(nibble, model, tmp_path):
    runs = [imatrix(nibble, model, tmp_path / "i.gguf", "--calibration", "self", "--calibration-seed", seed,
                    "--threads", threads) for seed, threads in ((7, 1), (7, 2), (8, 2))]
    assert all(np.array_equal(runs[0][name], runs[1][name]) for name in runs[0])
    assert not np.array_equal(runs[0]["blk.0.attn_q.weight.in_sum2"], runs[2]["blk.0.attn_q.weight.in_sum2"])


@pytest.mark.parametrize("name, content, message", [
    ("short.txt", "too short", "the text has 9 tokens, but 4 sequences of 24 need 96"),
    ("lines.jsonl", '{"text": 5}\n', 'lines.jsonl:1: a line of calibration text has a string "text"'),
    ("lines.jsonl", '{"text": "a"}\n{"a": 1}\n', "lines.jsonl:2"),
    ("lines.jsonl", "not json\n", "lines.jsonl:1 is not valid JSON"),
    ("binary.txt", b"some words\x00more" * 90, "binary.txt: at byte 10 it is no UTF-8 text"),
    ("latin.txt", "caf\u00e9 ".encode("latin-1") * 90, "latin.txt: at byte 3 it is no UTF-8 text"),
    ("absent.txt", None, "absent.txt")])
def test_bad_text_is_told(nibble, model, tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = quantize(nibble, model, tmp_path / "out.gguf", "--calibration", path, check=False)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert message in result.stderr
    assert not (tmp_path / "out.gguf").exists()


@pytest.mark.parametrize("flags, message", [
    (["--method", "rtn", "--calibration", "self"], "--method rtn uses no calibration"),
    (["--method", "gptq", "--imatrix", "x"], "x"),
    (["--method", "gptq", "--steps", "5"], "--steps belongs to --method autoround"),
    (["--method", "autoround", "--type", "f16"], "F16 has none to choose: use --method rtn"),
    (["--method", "gptq", "--type", "f16"], "F16 has none to choose: use --method rtn"),
    (["--method", "gptq", "--type", "nf4", "--double-quant"], "NF4_DQ has none to choose: leave --double-quant out"),
    (["--method", "gptq", "--calibration-tokens", "1000"], "context of 128"),
    (["--method", "hqq", "--calibration", "self"], "--method hqq uses no calibration text: leave --calibration out"),
    (["--method", "hqq", "--type", "q4_k"], "Q4_K_M stores none: use int4 with --asymmetric"),
    (["--method", "awq", "--type", "f16"], "F16 has none to choose: use --method rtn"),
    (["--method", "awq", "--calibration-tokens", "1000"], "context of 128"),
    (["--method", "smoothquant", "--type", "q4_0"], "Q4_0 has others: use --type int8 or q8_0, or --method awq"),
    (["--method", "learned-scales"], "rtn chooses those of Q4_0 so already: leave --method out"),
    (["--method", "learned-scales", "--type", "nf4", "--calibration", "self"], "or weight it with --imatrix"),
    (["--method", "awq", "--alpha", "0.5"], "--alpha belongs to --method smoothquant, not to awq"),
    (["--method", "smoothquant", "--type", "int8", "--alpha", "1.5"], "--alpha"),
    (["--method", "smoothquant", "--type", "int8", "--alpha", "nan"], "--alpha")])
def test_wrong_usage_names_the_remedy(nibble, model, tmp_path, flags, message):
    kind = [] if "--type" in flags else ["--type", "q4_0"]
    result = nibble("quantize", model, "-o", tmp_path / "o.gguf", *kind, *flags, "--quiet", check=False)
    assert result.returncode in (1, 2) and message in result.stderr


def test_a_model_without_tokenizer_is_told(nibble, tmp_path):
    model = tiny_model.write(tmp_path / "mute.gguf", tokenizer=False)
    result = quantize(nibble, model, tmp_path / "out.gguf", check=False)
    assert result.returncode == 1 and "token" in result.stderr


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_a_hugging_face_llama_change_their_order_after_rounding(nibble, data_dir, text, tmp_path, method):
    source, out = tmp_path / "hf", tmp_path / "out.gguf"
    config = make_config("llama-bias", vocab_size=32000, hidden_size=64, intermediate_size=96, head_dim=16,
                         num_attention_heads=4)
    write_huggingface(source, config, make_weights(config))
    shutil.copy(data_dir / "llama2-tokenizer" / "tokenizer.model", source)
    text.write_text(TEXT * 2)
    nibble("quantize", source, "-o", out, "--type", "q8_0", "--pure", "--method", method, *METHODS[method],
           "--calibration", text, *SMALL)
    logits = []
    for path in (source, out):
        nibble("logits", path, "--tokens", "1,20,300,4000,50", "-o", tmp_path / "logits.npy")
        logits.append(np.load(tmp_path / "logits.npy").ravel())
    assert np.corrcoef(logits[0], logits[1])[0, 1] > 0.999


def values(path):
    """All tensors of a file as float32."""
    return {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(path).tensors}


@pytest.mark.parametrize("kind", ["q4_1", "q5_1"])
def test_hqq_loses_less_in_its_norm_than_rounding_to_nearest(nibble, model, tmp_path, kind):
    source, lost = values(model), {}
    for method in ("rtn", "hqq"):
        out = tmp_path / f"{method}.gguf"
        nibble("quantize", model, "-o", out, "--type", kind, "--pure", "--method", method, "--quiet")
        assert gguf.GGUFReader(out).fields["nibble.quantize.method"].contents() == method
        lost[method] = {name: (np.abs(x - source[name]) ** 0.7).sum() for name, x in values(out).items()}
    assert all(lost["hqq"][name] <= 1.0001 * lost["rtn"][name] for name in source)
    assert sum(lost["hqq"].values()) < sum(lost["rtn"].values())


def test_hqq_in_a_type_of_our_own(nibble, model, tmp_path):
    out = tmp_path / "out.gguf"
    nibble("quantize", model, "-o", out, "--type", "int4", "--group", 64, "--asymmetric", "--method", "hqq", "--quiet")
    nibble("logits", out, "--tokens", "1,2,3", "-o", tmp_path / "logits.npy")
    assert np.isfinite(np.load(tmp_path / "logits.npy")).all()


@pytest.mark.parametrize("kind", [["nf4"], ["fp4"], ["nf4", "--double-quant"], ["fp4", "--double-quant"]])
@pytest.mark.parametrize("weighted", [False, True])
def test_learned_scales_lose_less_than_the_largest_magnitude(nibble, model, text, tmp_path, kind, weighted):
    out, back, weights, lost = tmp_path / "out.gguf", tmp_path / "back.gguf", tmp_path / "i.gguf", {}
    moments = imatrix(nibble, model, weights, "--calibration", text)
    source = {name: w for name, w in values(model).items() if w.ndim == 2}
    for method in ("rtn", "learned-scales"):
        nibble("quantize", model, "-o", out, "--type", *kind, "--pure", "--method", method, "--quiet",
               *(["--imatrix", weights] if weighted else []))
        nibble("quantize", out, "-o", back, "--type", "f32", "--quiet")
        assert gguf.GGUFReader(back).fields["nibble.quantize.type"].contents() == "F32"
        of_column = {name: moments[name + ".in_sum2"].ravel() if weighted else 1.0 for name in source}
        lost[method] = {name: (of_column[name] * (values(back)[name] - w) ** 2).sum() for name, w in source.items()}
        report = json.loads(nibble("inspect", out, "--json").stdout)
        assert report["metadata"]["nibble.quantize.method"] == method
    assert all(lost["learned-scales"][name] < 0.95 * lost["rtn"][name] for name in source), lost


@pytest.fixture
def salient_llama(data_dir, tmp_path):
    """A llama with biases and shared value heads, some of whose channels are far larger than others."""
    config = make_config("llama-bias", vocab_size=32000, hidden_size=64, intermediate_size=96, head_dim=16,
                         num_attention_heads=4)
    weights = make_weights(config)
    for name, tensor in weights.items():
        if "layernorm" in name:
            tensor[3::16] *= 20
        if "v_proj" in name or "up_proj" in name:
            tensor[5::16] *= 10
    write_huggingface(tmp_path / "salient", config, weights)
    shutil.copy(data_dir / "llama2-tokenizer" / "tokenizer.model", tmp_path / "salient")
    return tmp_path / "salient", weights


@pytest.mark.parametrize("method", ["awq", "smoothquant"])
def test_scales_are_folded_into_the_layer_before(nibble, salient_llama, text, tmp_path, method):
    (source, weights), out = salient_llama, tmp_path / "out.gguf"
    text.write_text(TEXT * 2)
    nibble("quantize", source, "-o", out, "--type", "q8_0", "--pure", "--method", method, "--calibration", text, *SMALL)
    written = values(out)

    def ratio(part, base, axis):
        return (written[part] * base).sum(axis) / (base * base).sum(axis)

    for layer in range(2):
        block, old = f"blk.{layer}.", f"model.layers.{layer}."
        of_norm = weights[old + "input_layernorm.weight"] / written[block + "attn_norm.weight"]
        assert of_norm.max() > 1.2 * of_norm.min()
        of_value = ratio(block + "attn_v.weight", weights[old + "self_attn.v_proj.weight"] * of_norm, 1)
        assert np.allclose(written[block + "attn_v.bias"], weights[old + "self_attn.v_proj.bias"] * of_value, rtol=0.02)
        of_output = ratio(block + "attn_output.weight", weights[old + "self_attn.o_proj.weight"], 0)
        assert np.allclose(of_output.reshape(2, 2, 16) * of_value.reshape(2, 1, 16), 1, rtol=0.02)
        of_norm = weights[old + "post_attention_layernorm.weight"] / written[block + "ffn_norm.weight"]
        assert np.allclose(ratio(block + "ffn_gate.weight", weights[old + "mlp.gate_proj.weight"] * of_norm, 1), 1, rtol=0.02)
        of_up = ratio(block + "ffn_up.weight", weights[old + "mlp.up_proj.weight"] * of_norm, 1)
        assert np.allclose(of_up * ratio(block + "ffn_down.weight", weights[old + "mlp.down_proj.weight"], 0), 1, rtol=0.02)
        assert of_up.max() > 1.2 * of_up.min() and of_value.max() > 1.2 * of_value.min()
    logits = []
    for path in (source, out):
        nibble("logits", path, "--tokens", "1,20,300,4000,50", "-o", tmp_path / "logits.npy")
        logits.append(np.load(tmp_path / "logits.npy").ravel())
    # SmoothQuant leaves weights of more different sizes to the blocks: 0.996 where rounding to nearest has 0.997.
    assert np.corrcoef(logits[0], logits[1])[0, 1] > (0.999 if method == "awq" else 0.99)


@pytest.mark.parametrize("alpha", [None, 0.8])
def test_smoothquants_scales_are_those_of_its_equation(nibble, salient_llama, text, tmp_path, alpha):
    """In the first layer, whose inputs are the normed embeddings of the text."""
    (source, weights), out = salient_llama, tmp_path / "out.gguf"
    ids = json.loads(nibble("tokenize", source, "--text", TEXT, "--no-special", "--json").stdout)["ids"]
    nibble("quantize", source, "-o", out, "--type", "q8_0", "--method", "smoothquant", "--calibration", text,
           "--calibration-sequences", 1, "--calibration-tokens", len(ids), "--quiet",
           *([] if alpha is None else ["--alpha", alpha]))
    x = weights["model.embed_tokens.weight"][[1] + ids[1:]].astype(np.float64)
    norm = weights["model.layers.0.input_layernorm.weight"]
    x *= norm / np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-5)
    of_projections = [np.abs(weights[f"model.layers.0.self_attn.{p}_proj.weight"]).max(axis=0) for p in "qkv"]
    alpha = alpha or 0.5
    scales = np.abs(x).max(axis=0) ** alpha / np.max(of_projections, axis=0) ** (1 - alpha)
    assert np.allclose(norm / values(out)["blk.0.attn_norm.weight"], scales, rtol=1e-4)


def divergence(nibble, model, base, text):
    result = nibble("eval", model, "--kld", text, "--base", base, "--chunks", 3, "--context", 256, "--quiet", "--json", "-")
    return json.loads(result.stdout)["kld"]


def test_learned_rounding_brings_the_outputs_nearer_to_the_originals(nibble, model, text, tmp_path):
    """On the text that it saw: a layer has few weights here, so that steps are fast and mean little elsewhere."""
    tokens = ",".join(str(byte) for byte in TEXT[:24].encode())

    def logits(path):
        nibble("logits", path, "--tokens", tokens, "-o", tmp_path / "logits.npy", "--quiet")
        return np.load(tmp_path / "logits.npy")

    original, out, errors = logits(model), tmp_path / "out.gguf", {}
    for steps in (1, 100):
        nibble("quantize", model, "-o", out, "--type", "q4_0", "--output-tensor-type", "f32", "--token-embedding-type", "f32",
               "--method", "autoround", "--steps", steps, "--calibration", text, *SMALL)
        errors[steps] = ((logits(out) - original) ** 2).mean()
    assert errors[100] < 0.8 * errors[1], errors


def test_calibration_cuts_the_real_models_divergence(nibble, smol_model, data_dir, tmp_path):
    base, out = tmp_path / "f32.gguf", tmp_path / "out.gguf"
    nibble("quantize", smol_model, "-o", base, "--type", "f32", "--quiet")
    text = data_dir / "wikitext-2-raw" / "wiki.test.raw"
    measured = {}
    calibration = ["--calibration", data_dir / "arc", "--calibration-sequences", 12, "--calibration-tokens", 256]
    flags = {"rtn": [], "gptq": calibration, "awq": calibration, "autoround": [*calibration, "--steps", 40]}
    for method, of_method in flags.items():
        nibble("quantize", smol_model, "-o", out, "--type", "q4_0", "--method", method, *of_method, "--quiet",
               timeout=900)  # two cores with AVX2 alone learn for more than three minutes
        measured[method] = divergence(nibble, out, base, text)
    assert max(measured["gptq"], measured["awq"], measured["autoround"]) < 0.75 * measured["rtn"], measured
