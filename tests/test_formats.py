"""Model files between nibble and Python's gguf and safetensors packages, and what nibble says of bad ones."""
import json
import struct

import gguf
import numpy as np
import pytest
from safetensors.numpy import save_file

from make_checkpoint import make_config, make_weights, write_huggingface
import tiny_model

QUANTIZED = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]


def inspect(nibble, model):
    return json.loads(nibble("inspect", model, "--tensors", "--json").stdout)


def write_llama_of_every_type(path):
    """One layer 256 wide; each matrix has another type. Returns {name: (type, shape, bytes)}."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("every type")
    writer.add_block_count(2)
    writer.add_context_length(128)
    writer.add_embedding_length(256)
    writer.add_feed_forward_length(512)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(50000.0)
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(2.0)
    writer.add_rope_scaling_orig_ctx_len(64)
    writer.add_array("test.strings", ["one", "zwölf", ""])
    shapes = {"token_embd": (64, 256), "output": (64, 256), "output_norm": (256,)}
    for i in range(2):
        shapes |= {f"blk.{i}.attn_norm": (256,), f"blk.{i}.ffn_norm": (256,), f"blk.{i}.attn_q": (256, 256),
                   f"blk.{i}.attn_k": (128, 256), f"blk.{i}.attn_v": (128, 256), f"blk.{i}.attn_output": (256, 256),
                   f"blk.{i}.ffn_gate": (512, 256), f"blk.{i}.ffn_up": (512, 256), f"blk.{i}.ffn_down": (256, 512)}
    types = iter(["F16", "F32", "BF16", *QUANTIZED, "MXFP4"])
    random = np.random.default_rng(5)
    written = {}
    for name, shape in shapes.items():
        dtype = gguf.GGMLQuantizationType[next(types, "Q8_0") if len(shape) == 2 else "F32"]
        elements, size = gguf.GGML_QUANT_SIZES[dtype]
        data = random.integers(0, 256, (*shape[:-1], shape[-1] // elements * size), dtype=np.uint8)
        if len(shape) == 1:
            data = np.ones(shape, np.float32)
        writer.add_tensor(name + ".weight", data, raw_dtype=dtype if len(shape) == 2 else None)
        written[name + ".weight"] = (dtype.name, list(shape), data.nbytes)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return written


def test_reads_what_the_gguf_package_writes(nibble, tmp_path):
    path = tmp_path / "every.gguf"
    written = write_llama_of_every_type(path)
    report = inspect(nibble, path)
    assert {t["name"]: (t["type"], t["shape"], t["bytes"]) for t in report["tensors"]} == written
    assert report["name"] == "every type"
    config = report["config"]
    assert (config["layers"], config["hidden"], config["heads"], config["kv_heads"]) == (2, 256, 4, 2)
    assert (config["rope_theta"], config["rope_scaling"], config["rope_factor"]) == (50000.0, "yarn", 2.0)
    assert report["file_bytes"] == path.stat().st_size
    assert report["parameters"] == sum(int(np.prod(shape)) for _, shape, _ in written.values())
    assert {t["type"] for t in report["types"]} == {"F32", "F16", "BF16", "MXFP4", *QUANTIZED}
    assert all(t["kernel"] for t in report["types"])


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_reads_hugging_face_directories(nibble, tmp_path, dtype, shards):
    config = make_config("qwen2")
    weights = make_weights(config)
    report = inspect(nibble, write_huggingface(tmp_path / "model", config, weights, dtype, shards))
    assert report["architecture"] == "qwen2"
    assert report["config"]["qkv_bias"] and report["config"]["tied_embeddings"]
    assert len(report["tensors"]) == len(weights)
    assert report["parameters"] == sum(w.size for w in weights.values())
    assert {t["type"] for t in report["tensors"]} == {dtype}


def test_reads_what_the_safetensors_package_writes(nibble, tmp_path):
    config = make_config("llama")
    weights = make_weights(config)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "np"})
    (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": ["LlamaForCausalLM"]}))
    report = inspect(nibble, tmp_path)
    assert report["parameters"] == sum(w.size for w in weights.values())


def test_a_synthetic_model_with_a_tokenizer_takes_text(nibble, smol_model, tmp_path):
    path = tmp_path / "synthetic.gguf"
    shape = ("synth", "--shape", "smollm2-135m", "--layers", 1, "--type", "q4_0", "-o", path, "--quiet")
    nibble(*shape, "--tokenizer", smol_model)
    ids, wanted = (nibble("tokenize", model, "--text", "Hello").stdout for model in (path, smol_model))
    assert ids == wanted
    assert nibble("generate", path, "-p", "Hello", "--max-new-tokens", 3, "--quiet").stdout
    other = nibble("synth", "--shape", "llama2-7b", *shape[3:], "--tokenizer", smol_model, check=False)
    assert other.returncode == 2 and "49152" in other.stderr and "32000" in other.stderr


def test_a_smaller_tokenizer_is_filled_up_to_the_rows_of_the_shape(nibble, smol_model, tmp_path):
    path = tmp_path / "synthetic.gguf"
    nibble("synth", "--shape", "qwen2.5-0.5b", "--layers", 1, "--type", "q4_0", "-o", path, "--quiet",
           "--tokenizer", smol_model)
    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    assert len(tokens) == len(fields["tokenizer.ggml.token_type"].contents()) == 151936
    assert tokens[49152] == "[PAD49152]"
    assert nibble("generate", path, "-p", "Hello", "--max-new-tokens", 3, "--quiet").returncode == 0


@pytest.mark.parametrize("type_", ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_k_m", "q2_k", "iq4_xs", "mxfp4"])
def test_the_gguf_package_reads_what_nibble_writes(nibble, tmp_path, type_):
    path = tmp_path / "synthetic.gguf"
    nibble("synth", "--shape", "tinyllama-1.1b", "--layers", 1, "--type", type_, "-o", path, "--quiet")
    reader = gguf.GGUFReader(path)
    field = lambda key: reader.fields[key].contents()
    assert field("general.architecture") == "llama"
    assert (field("llama.block_count"), field("llama.attention.head_count_kv")) == (1, 4)
    assert field("llama.rope.dimension_count") == 64
    report = {t["name"]: t for t in inspect(nibble, path)["tensors"]}
    assert report.keys() == {t.name for t in reader.tensors}
    for tensor in reader.tensors:
        ours = report[tensor.name]
        assert ours["type"] == tensor.tensor_type.name
        assert ours["shape"] == [int(n) for n in reversed(tensor.shape)]
        assert ours["bytes"] == tensor.n_bytes
        if tensor.name in ("blk.0.attn_q.weight", "blk.0.ffn_down.weight"):
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            expected = 1 / np.sqrt(values.shape[-1])
            assert expected / 1.5 < values.std() < expected * 1.5
            assert abs(values.mean()) < 0.15 * expected
        if tensor.name.endswith("norm.weight"):
            assert (tensor.data == 1).all()


def test_the_gguf_package_reads_a_converted_checkpoint(nibble, tmp_path):
    """Metadata for llama.cpp, its row order for query and key, and llama3's factors as a tensor."""
    config = make_config("llama", "llama3")
    weights = make_weights(config)
    source = write_huggingface(tmp_path / "model", config, weights)
    path = tmp_path / "model.gguf"
    nibble("quantize", source, "--type", "f32", "-o", path, "--quiet")
    reader = gguf.GGUFReader(path)
    tensors = {t.name: t.data for t in reader.tensors}
    heads, dim, hidden = config["num_attention_heads"], config["head_dim"], config["hidden_size"]
    q = weights["model.layers.0.self_attn.q_proj.weight"]
    permuted = q.reshape(heads, 2, dim // 2, hidden).swapaxes(1, 2).reshape(heads * dim, hidden)
    assert (tensors["blk.0.attn_q.weight"].reshape(permuted.shape) == permuted).all()
    down = weights["model.layers.1.mlp.down_proj.weight"]
    assert (tensors["blk.1.ffn_down.weight"].reshape(down.shape) == down).all()
    factors = tensors["rope_freqs.weight"]
    assert factors.shape == (dim // 2,) and factors[0] == 1 and factors[-1] == 8
    assert reader.fields["llama.context_length"].contents() == config["max_position_embeddings"]
    assert reader.fields["llama.vocab_size"].contents() == config["vocab_size"]
    assert inspect(nibble, path)["config"]["rope_frequency_factors"]


def test_inspects_the_real_model(nibble, smol_model):
    report = inspect(nibble, smol_model)
    assert report["architecture"] == "llama" and report["parameters"] == 134515008
    assert report["chat_template"] and report["tokenizer"].startswith("gpt2 (smollm)")
    # 30 layers x (keys and values) x 3 heads x 64 elements x 2 bytes for each token
    assert report["memory"]["kv_cache"] == report["memory"]["context"] * 30 * 2 * 3 * 64 * 2
    memory = json.loads(nibble("inspect", smol_model, "--kv-type", "q8_0", "--json").stdout)["memory"]
    # 64 bytes and a half scale for 32 elements of a key, one for a value
    assert memory["kv_cache"] == memory["context"] * 30 * 3 * (64 + 2 * 2 + 64 + 2)
    text = nibble("inspect", smol_model, "--context", 1000).stdout
    assert "134.5 M" in text and "1000 tokens" in text


def error_of(nibble, model):
    result = nibble("inspect", model, check=False)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith("nibble: ") and result.stderr.count("\n") == 1
    return result.stderr


def test_bad_files_get_one_line(nibble, tmp_path):
    path = tiny_model.write(tmp_path / "tiny.gguf")
    content = path.read_bytes()
    bad = tmp_path / "bad.gguf"
    assert "absent.gguf" in error_of(nibble, tmp_path / "absent.gguf")
    bad.write_bytes(content[:-1])
    assert "past the end" in error_of(nibble, bad)
    bad.write_bytes(content[: len(content) // 100])
    assert "bad.gguf" in error_of(nibble, bad)
    bad.write_bytes(content[:8] + struct.pack("<Q", 1 << 50) + content[16:])
    assert "tensors" in error_of(nibble, bad)
    bad.write_bytes(content.replace(b"llama", b"mamba"))
    assert "architecture mamba is not supported" in error_of(nibble, bad)
    bad.write_bytes(content.replace(b"blk.1.ffn_up", b"blk.1.ffn_\xff\xff"))
    assert "not UTF-8" in error_of(nibble, bad)
    bad.write_bytes(content.replace(b"blk.1.ffn_up.weight", b"blk.1.ffn_up\n.eight"))
    assert "blk.1.ffn_up" in error_of(nibble, bad)
    bad.write_bytes(content.replace(b"llama", b"\x1b[31m"))
    assert "\x1b" not in error_of(nibble, bad)


def test_inspect_refuses_a_context_beyond_the_model(nibble, tmp_path):
    path = tiny_model.write(tmp_path / "tiny.gguf")
    result = nibble("inspect", path, "--context", 129, check=False)
    assert result.returncode == 2 and "128" in result.stderr
