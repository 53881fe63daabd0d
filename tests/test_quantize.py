"""`nibble quantize`: files read back by the gguf package, Hugging Face conversion, bad input."""
import json
import struct

import gguf
import numpy as np
import pytest

import tiny_model

STANDARD = ["q8_0", "q6_k", "q5_0", "q5_1", "q5_k_m", "q4_0", "q4_1", "q4_k_m", "iq4_nl", "iq4_xs", "mxfp4",
            "q3_k_m", "q2_k"]
# Normalized root-mean-square error that no quantizer of this width should exceed on these weights.
LARGEST_ERROR = {8: 0.01, 6: 0.03, 5: 0.06, 4: 0.13, 3: 0.25, 2: 0.40}


def tensors_of(path):
    return {t.name: t for t in gguf.GGUFReader(path).tensors}


def values_of(tensor):
    return gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(-1)


@pytest.fixture(scope="module")
def source(smol_model):
    return tensors_of(smol_model)


@pytest.fixture(scope="module")
def small_model(tmp_path_factory):
    """A GGUF with one layer whose rows divide by 256, so that nothing falls back."""
    path = tmp_path_factory.mktemp("small") / "small.gguf"
    rng = np.random.default_rng(7)
    hidden, ffn, vocab = 256, 512, 320
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(128)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(64)
    shapes = {"token_embd": (vocab, hidden), "output": (vocab, hidden), "blk.0.attn_q": (hidden, hidden),
              "blk.0.attn_k": (128, hidden), "blk.0.attn_v": (128, hidden), "blk.0.attn_output": (hidden, hidden),
              "blk.0.ffn_gate": (ffn, hidden), "blk.0.ffn_up": (ffn, hidden), "blk.0.ffn_down": (hidden, ffn)}
    for name, shape in shapes.items():
        values = rng.standard_normal(shape) / np.sqrt(shape[1])
        writer.add_tensor(name + ".weight", values.astype(np.float32))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(name + ".weight", np.ones(hidden, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("kind", STANDARD)
def test_every_standard_type_reads_back_close_to_its_source(nibble, small_model, tmp_path, kind):
    out = tmp_path / "out.gguf"
    nibble("quantize", small_model, "-o", out, "--type", kind, "--pure", "--quiet")
    original = tensors_of(small_model)
    wanted = kind.upper().removesuffix("_M")
    for name, tensor in tensors_of(out).items():
        if len(tensor.shape) < 2:
            assert tensor.tensor_type.name == "F32"
            continue
        assert tensor.tensor_type.name == wanted
        x = values_of(original[name])
        error = np.sqrt(np.mean((values_of(tensor) - x) ** 2) / np.mean(x**2))
        bits = int(wanted.lstrip("IQMXFP")[0])
        assert 0 < error < LARGEST_ERROR[bits], name


def test_the_real_model_keeps_its_metadata_and_falls_back_where_rows_do_not_divide(nibble, smol_model, source, tmp_path):
    out = tmp_path / "q4_k_m.gguf"
    result = json.loads(nibble("quantize", smol_model, "-o", out, "--type", "q4_k_m", "--json", "--quiet").stdout)
    reader = gguf.GGUFReader(out)
    assert reader.fields["tokenizer.ggml.pre"].contents() == "smollm"
    assert reader.fields["general.file_type"].contents() == 15
    assert len(reader.fields["tokenizer.ggml.tokens"].data) == 49152
    kinds = {t.name: t.tensor_type.name for t in reader.tensors}
    assert kinds["token_embd.weight"] == "Q8_0"  # rows of 576
    assert kinds["blk.5.attn_q.weight"] == "Q5_0"
    assert kinds["blk.5.ffn_down.weight"] in ("Q4_K", "Q6_K")  # rows of 1536
    assert set(kinds) == set(source)
    assert result["file_bytes"] == out.stat().st_size
    assert result["bits_per_weight"] == pytest.approx(8 * sum(int(t.n_bytes) for t in reader.tensors) / result["parameters"])


def test_float32_is_the_exact_value_of_the_source(nibble, smol_model, source, tmp_path):
    out = tmp_path / "f32.gguf"
    nibble("quantize", smol_model, "-o", out, "--type", "f32", "--quiet")
    written = tensors_of(out)
    for name in ("blk.0.attn_q.weight", "blk.29.ffn_down.weight", "output_norm.weight"):
        np.testing.assert_array_equal(values_of(written[name]), values_of(source[name]))


def test_a_repeated_quantization_copies_what_has_the_type_already(nibble, small_model, tmp_path):
    once, twice = tmp_path / "once.gguf", tmp_path / "twice.gguf"
    nibble("quantize", small_model, "-o", once, "--type", "q4_0", "--pure", "--quiet")
    said = nibble("quantize", once, "-o", twice, "--type", "q4_0", "--pure", "--quiet").stdout
    assert once.read_bytes() == twice.read_bytes()
    assert "tensors had its type already and was copied" in said


@pytest.mark.parametrize("flags, dtype, bits, largest_error", [
    (["int8"], "INT8", 8.0, 0.012), (["int4", "--group", "64"], "INT4_G64", 4.25, 0.13),
    (["int4"], "INT4_G128", 4.125, 0.15), (["int4", "--group", "64", "--asymmetric"], "UINT4_G64", 4.5, 0.13),
    (["nf4"], "NF4", 4.5, 0.11), (["nf4", "--double-quant"], "NF4_DQ", 4.127, 0.11),
    (["fp4", "--double-quant"], "FP4_DQ", 4.127, 0.15)])
def test_types_of_our_own_have_their_width_their_error_and_run(nibble, small_model, tmp_path, flags, dtype, bits,
                                                               largest_error):
    out, back = tmp_path / "own.gguf", tmp_path / "back.gguf"
    result = json.loads(nibble("quantize", small_model, "-o", out, "--type", *flags, "--pure", "--json", "--quiet").stdout)
    up = next(t for t in result["tensors"] if t["name"] == "blk.0.ffn_up.weight")
    assert up["to"] == dtype
    assert 8 * up["bytes"] / (512 * 256) == pytest.approx(bits, rel=0.02)
    nibble("quantize", out, "-o", back, "--type", "f32", "--quiet")
    x, y = (values_of(tensors_of(path)["blk.0.ffn_up.weight"]) for path in (small_model, back))
    assert 0 < np.sqrt(np.mean((y - x) ** 2) / np.mean(x**2)) < largest_error
    logits = []
    for path in (out, back):
        nibble("logits", path, "--tokens", "1,2,3,4", "-o", tmp_path / "logits.npy")
        logits.append(np.load(tmp_path / "logits.npy").ravel())
    # Only the activations' eight bits stand between the two.
    assert np.corrcoef(logits[0], logits[1])[0, 1] > 0.9995


def fidelity(x, y):
    """The cosine and |x - y| / |x|."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    return x @ y / np.sqrt((x @ x) * (y @ y)), np.sqrt(((x - y) ** 2).sum() / (x @ x))


@pytest.mark.parametrize("kind", STANDARD)
def test_what_the_summary_says_of_each_tensor_is_what_the_file_holds(nibble, small_model, tmp_path, kind):
    out = tmp_path / "out.gguf"
    result = json.loads(nibble("quantize", small_model, "-o", out, "--type", kind, "--json", "--quiet").stdout)
    original, written = tensors_of(small_model), tensors_of(out)
    for tensor in result["tensors"]:
        cosine, error = fidelity(values_of(original[tensor["name"]]), values_of(written[tensor["name"]]))
        assert tensor["cosine"] == pytest.approx(cosine, rel=1e-6)
        assert tensor["relative_error"] == pytest.approx(error, rel=1e-4, abs=1e-6)
        assert "promoted_from" not in tensor


@pytest.fixture(scope="module")
def far_model(small_model, tmp_path_factory):
    """small_model with one matrix beyond what scales in half precision reach, and one below."""
    path = tmp_path_factory.mktemp("far") / "far.gguf"
    data = bytearray(small_model.read_bytes())
    for name, factor in (("blk.0.ffn_up.weight", 2e7), ("blk.0.attn_k.weight", 1e-6)):
        tensor = tensors_of(small_model)[name]
        values = (values_of(tensor) * np.float32(factor)).astype(np.float32)
        data[tensor.data_offset:tensor.data_offset + values.nbytes] = values.tobytes()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("flags, wide", [
    (["q4_0"], "Q5_K"), (["q4_1"], "Q5_K"), (["q5_1"], "Q8_0"), (["f16"], "F32"), (["int4", "--group", "64"], "Q5_K"),
    (["nf4", "--double-quant"], None), (["int8"], None), (["q4_1", "--method", "hqq"], "Q5_K"),
    (["q4_0", "--output-tensor-type", "q2_k"], "Q5_K")])
def test_a_tensor_that_its_type_does_not_hold_is_promoted(nibble, far_model, tmp_path, flags, wide):
    out, back = tmp_path / "out.gguf", tmp_path / "back.gguf"
    result = nibble("quantize", far_model, "-o", out, "--type", *flags, "--json", "--quiet")
    tensors = {t["name"]: t for t in json.loads(result.stdout)["tensors"]}
    promoted = {name: t["to"] for name, t in tensors.items() if "promoted_from" in t}
    assert promoted == ({"blk.0.ffn_up.weight": wide, "blk.0.attn_k.weight": "F32"} if wide else {})
    nibble("quantize", out, "-o", back, "--type", "f32", "--quiet")
    original, written = tensors_of(far_model), tensors_of(back)
    for name, tensor in tensors.items():
        cosine, error = fidelity(values_of(original[name]), values_of(written[name]))
        assert cosine > 0.94 and tensor["relative_error"] == pytest.approx(error, rel=1e-3, abs=1e-6)
    nibble("logits", out, "--tokens", "1,2,3", "-o", tmp_path / "logits.npy")
    assert np.isfinite(np.load(tmp_path / "logits.npy")).all()


def test_the_summary_names_what_was_promoted(nibble, far_model, tmp_path):
    said = nibble("quantize", far_model, "-o", tmp_path / "o.gguf", "--type", "q4_0", "--quiet").stdout
    for line in ("blk.0.attn_k.weight became F32", "blk.0.ffn_up.weight became Q5_K"):
        assert f"  {line}: its values are beyond what the recipe's type holds" in said
    assert "12 tensors checked against their source: cosine 0.99" in said


def test_threads_do_not_change_the_file(nibble, small_model, tmp_path):
    files = []
    for threads in (1, 3):
        out = tmp_path / f"{threads}.gguf"
        nibble("quantize", small_model, "-o", out, "--type", "q4_k_m", "--threads", threads, "--quiet")
        files.append(out.read_bytes())
    assert files[0] == files[1]


def test_a_nan_is_named_and_leaves_no_file(nibble, small_model, tmp_path):
    bad = tmp_path / "nan.gguf"
    data = bytearray(small_model.read_bytes())
    tensor = tensors_of(small_model)["blk.0.ffn_up.weight"]
    struct.pack_into("<f", data, tensor.data_offset + 4 * (256 * 9 + 3), float("nan"))
    bad.write_bytes(data)
    out = tmp_path / "out.gguf"
    result = nibble("quantize", bad, "-o", out, "--type", "q4_0", "--quiet", check=False)
    assert result.returncode == 1
    assert "blk.0.ffn_up.weight" in result.stderr and "row 9" in result.stderr
    assert list(tmp_path.iterdir()) == [bad]


@pytest.mark.parametrize("arguments, message", [
    (["-o", "x.gguf", "--type", "q9"], "unknown type 'q9'"),
    (["-o", "x.gguf", "--type", "int4", "--group", "48"], "--group 48"),
    (["-o", "x.gguf", "--type", "q4_0", "--double-quant"], "--double-quant belongs to"),
    (["-o", "/no/such/dir/x.gguf", "--type", "q4_0"], "/no/such/dir"),
    (["-o", ".", "--type", "q4_0"], "is a directory"),
    (["--type", "q4_0"], "--output")])
def test_wrong_usage_names_the_remedy(nibble, small_model, tmp_path, arguments, message):
    result = nibble("quantize", small_model, *arguments, "--quiet", check=False, cwd=tmp_path)
    assert result.returncode in (1, 2)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_model_itself_is_not_overwritten(nibble, small_model):
    result = nibble("quantize", small_model, "-o", small_model, "--type", "q4_0", check=False)
    assert result.returncode == 2 and f"is the input {small_model} itself" in result.stderr


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_files_of_a_checkpoint_are_not_overwritten(nibble, tmp_path, name):
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).write_text("{}")
    for command in (["quantize", "--type", "q4_0"], ["logits", "--tokens", "1"], ["imatrix"], ["optimize"]):
        result = nibble(*command, tmp_path, "-o", tmp_path / name, check=False)
        assert result.returncode == 2 and f"is a file of the input {tmp_path}" in result.stderr, command
        assert (tmp_path / name).read_text() == "{}"


def test_what_fell_back_is_told_by_type(nibble, tmp_path):
    model = tiny_model.write(tmp_path / "m.gguf", hidden=64, ffn=256)
    said = nibble("quantize", model, "-o", tmp_path / "o.gguf", "--type", "q2_k", "--quiet").stdout
    types = {line.split(" became ")[1].split(":")[0] for line in said.splitlines() if " became " in line}
    assert types == {"Q8_0", "IQ4_NL"}, said
    assert "became IQ4_NL: its rows do not divide by the block of Q2_K" in said
    assert "became Q8_0: its rows do not divide by the block of Q6_K" in said


def test_single_tensors_get_types_of_their_own(nibble, small_model, tmp_path):
    out = tmp_path / "out.gguf"
    nibble("quantize", small_model, "-o", out, "--type", "q4_0", "--tensor-type", "attn_[kv]=q8_0", "--tensor-type",
           "attn_v=q6_k")
    kinds = {name: t.tensor_type.name for name, t in tensors_of(out).items()}
    assert kinds["blk.0.attn_k.weight"] == "Q8_0" and kinds["blk.0.attn_v.weight"] == "Q6_K"
    assert kinds["blk.0.attn_q.weight"] == "Q4_0" and kinds["blk.0.attn_norm.weight"] == "F32"
    assert "general.file_type" not in gguf.GGUFReader(out).fields


def test_a_recipe_is_what_its_flags_are(nibble, small_model, tmp_path):
    recipe, flags = tmp_path / "recipe.json", tmp_path / "flags.gguf"
    recipe.write_text(json.dumps({"nibble_recipe": 1, "name": "MINE", "type": "q4_0", "method": "rtn",
                                  "tensors": {"blk.0.attn_v.weight": "q6_k", "output.weight": "q8_0"}}))
    nibble("quantize", small_model, "-o", flags, "--type", "q4_0", "--tensor-type", "attn_v=q6_k", "--tensor-type",
           "^output=q8_0")
    out = tmp_path / "out.gguf"
    nibble("quantize", small_model, "-o", out, "--recipe", recipe)
    assert gguf.GGUFReader(out).fields["nibble.quantize.type"].contents() == "MINE"
    a, b = tensors_of(flags), tensors_of(out)
    assert {n: t.data.tobytes() for n, t in a.items()} == {n: t.data.tobytes() for n, t in b.items()}


@pytest.mark.parametrize("kind, method", [("q4_1", "hqq"), ("nf4", "learned-scales")])
def test_a_recipe_names_its_method(nibble, small_model, tmp_path, kind, method):
    recipe, files = tmp_path / "recipe.json", []
    recipe.write_text(json.dumps({"nibble_recipe": 1, "type": kind, "method": method}))
    for flags in (["--recipe", recipe], ["--type", kind, "--method", method], ["--type", kind]):
        nibble("quantize", small_model, "-o", tmp_path / "out.gguf", *flags, "--quiet")
        files.append((tmp_path / "out.gguf").read_bytes())
    assert files[0] == files[1] != files[2]


@pytest.mark.parametrize("text, told", [
    ("{", "this is no recipe"), ('{"type": "q4_0"}', "this is no recipe"),
    ('{"nibble_recipe": 2, "type": "q4_0"}', "it is of version 2"),
    ('{"nibble_recipe": 1}', "the recipe has no 'type'"),
    ('{"nibble_recipe": 1, "type": "q9"}', "'q9' of type is no tensor type"),
    ('{"nibble_recipe": 1, "type": "q4_0", "method": "magic"}', "'magic' is no method"),
    ('{"nibble_recipe": 1, "type": "q4_0", "tensors": {"blk.7.attn_q.weight": "q8_0"}}', "blk.7.attn_q.weight"),
    ('{"nibble_recipe": 1, "type": "q4_0", "tensors": {"output.weight": {"type": "q8_0", "method": "gptq"}}}',
     "it may be 'rtn'"),
    ('{"nibble_recipe": 1, "type": "q4_0", "method": "gptq", "calibration": {"source": "self", "sequences": 0}}',
     "'sequences' is 0"),
    ('{"nibble_recipe": 1, "type": "q4_0", "tensor": {}}', "'tensor' is no key of a recipe; those here are"),
    ('{"nibble_recipe": 1, "type": "q4_0", "tensors": {"output.weight": {"type": "q8_0", "group": 64}}}',
     "'group' is no key"),
    ('{"nibble_recipe": 1, "type": "q8_s50"}', "recipe.json: Q8_S50 is how pruned matrices are stored"),
    ('{"nibble_recipe": 1, "type": "q4_0", "tensors": {"blk.0.attn_v.weight": "q4_s50"}}',
     "recipe.json: Q4_S50 is how pruned matrices are stored"),
])
def test_a_bad_recipe_is_refused(nibble, small_model, tmp_path, text, told):
    recipe = tmp_path / "recipe.json"
    recipe.write_text(text)
    failed = nibble("quantize", small_model, "-o", tmp_path / "out.gguf", "--recipe", recipe, check=False)
    assert failed.returncode == 1 and told in failed.stderr and failed.stderr.count("\n") == 1
    assert not (tmp_path / "out.gguf").exists()


@pytest.mark.parametrize("flags, told", [
    (["--tensor-type", "attn_v"], "write PATTERN=TYPE"), (["--tensor-type", "attn_v=q9"], "unknown tensor type"),
    (["--tensor-type", "nothing=q8_0"], "no matrix of this model"), (["--tensor-type", "(=q8_0"], "no regular expression"),
])
def test_a_bad_tensor_type_is_wrong_usage(nibble, small_model, tmp_path, flags, told):
    failed = nibble("quantize", small_model, "-o", tmp_path / "out.gguf", "--type", "q4_0", *flags, check=False)
    assert failed.returncode == 2 and told in failed.stderr
