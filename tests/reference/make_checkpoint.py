"""Tiny checkpoints with random weights of every architecture, as Hugging Face directories and as GGUF.

    python make_checkpoint.py llama OUT [--rope yarn] [--dtype BF16] [--gguf]
"""
import argparse
import json
import pathlib

import numpy as np

# What differs from BASE, by name. The sizes are odd on purpose: no head is a whole number of vectors,
# few matrices are whole tiles.
BASE = dict(model_type="llama", hidden_size=72, intermediate_size=100, num_hidden_layers=2,
            num_attention_heads=6, num_key_value_heads=2, head_dim=12, vocab_size=131, rms_norm_eps=1e-5,
            max_position_embeddings=256, rope_theta=10000.0, tie_word_embeddings=False, hidden_act="silu")
MODELS = {
    "llama": dict(),
    "llama-mha": dict(num_attention_heads=3, num_key_value_heads=3, head_dim=24),
    "llama-bias": dict(attention_bias=True),
    "llama-tied": dict(tie_word_embeddings=True, head_dim=80, num_attention_heads=2, num_key_value_heads=1),
    "llama-partial": dict(head_dim=32, partial_rotary_factor=0.5),
    "mistral": dict(model_type="mistral", sliding_window=29),
    "qwen2": dict(model_type="qwen2", rms_norm_eps=1e-6, rope_theta=1e6, num_attention_heads=3,
                  num_key_value_heads=1, head_dim=24, tie_word_embeddings=True),
    "qwen2-window": dict(model_type="qwen2", use_sliding_window=True, sliding_window=70, max_window_layers=0),
    "qwen3": dict(model_type="qwen3", rms_norm_eps=1e-6, rope_theta=1e6, head_dim=40),
}
CLASSES = {"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM",
           "qwen3": "Qwen3ForCausalLM"}
# The context before scaling is 32 or 64, so that a sequence of 100 goes far beyond it.
ROPES = {
    "none": dict(),
    "linear": dict(rope_scaling=dict(rope_type="linear", factor=4.0)),
    "dynamic": dict(rope_scaling=dict(rope_type="dynamic", factor=4.0), max_position_embeddings=64),
    "llama3": dict(rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                     original_max_position_embeddings=64)),
    "yarn": dict(rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64)),
    "yarn-factor": dict(rope_scaling=dict(rope_type="yarn", factor=8.0, original_max_position_embeddings=32,
                                          attention_factor=1.4, beta_fast=16.0, beta_slow=2.0)),
}


def make_config(model, rope="none", **changes):
    return {**BASE, **MODELS[model], **ROPES[rope], **changes}


def make_weights(config, seed=1):
    """Tensors under their Hugging Face names. Queries and keys are large enough that attention has to
    choose, and norms and biases differ from what leaving them out would give."""
    random = np.random.default_rng(seed)
    hidden, ffn, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    heads, kv_heads, dim = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
    weights = {}

    def matrix(name, rows, cols, gain=1.0):
        weights[name] = (random.standard_normal((rows, cols)) * gain / np.sqrt(cols)).astype(np.float32)

    def vector(name, size, mean, spread):
        weights[name] = (mean + spread * random.standard_normal(size)).astype(np.float32)

    matrix("model.embed_tokens.weight", vocab, hidden, np.sqrt(hidden))
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        vector(prefix + "input_layernorm.weight", hidden, 1.0, 0.2)
        for name, count, gain in ("q", heads, 2.0), ("k", kv_heads, 2.0), ("v", kv_heads, 1.0):
            matrix(f"{prefix}self_attn.{name}_proj.weight", count * dim, hidden, gain)
            if config.get("attention_bias") or config["model_type"] == "qwen2":
                vector(f"{prefix}self_attn.{name}_proj.bias", count * dim, 0.0, 0.5)
        if config["model_type"] == "qwen3":
            vector(prefix + "self_attn.q_norm.weight", dim, 1.5, 0.3)
            vector(prefix + "self_attn.k_norm.weight", dim, 1.5, 0.3)
        matrix(prefix + "self_attn.o_proj.weight", hidden, heads * dim)
        if config.get("attention_bias"):
            vector(prefix + "self_attn.o_proj.bias", hidden, 0.0, 0.5)
        vector(prefix + "post_attention_layernorm.weight", hidden, 1.0, 0.2)
        matrix(prefix + "mlp.gate_proj.weight", ffn, hidden)
        matrix(prefix + "mlp.up_proj.weight", ffn, hidden)
        matrix(prefix + "mlp.down_proj.weight", hidden, ffn)
    vector("model.norm.weight", hidden, 1.0, 0.2)
    if not config["tie_word_embeddings"]:
        matrix("lm_head.weight", vocab, hidden)
    return weights


def encode(array, dtype):
    """The bytes of float32 values in a storage type: F32, F16 or BF16 (rounded to nearest even)."""
    if dtype == "F32":
        return array.astype("<f4").tobytes()
    if dtype == "F16":
        return array.astype("<f2").tobytes()
    bits = array.astype("<f4").view("<u4").astype(np.uint64)
    return ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def decode(data, dtype, shape):
    if dtype == "BF16":
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
    return np.frombuffer(data, {"F32": "<f4", "F16": "<f2"}[dtype]).astype(np.float32).reshape(shape)


def rounded(weights, dtype):
    """What the values are once they are stored."""
    return {name: decode(encode(w, dtype), dtype, w.shape) for name, w in weights.items()}


def write_safetensors(path, weights, dtype):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, w in weights.items():
        stored = encode(w, dtype)
        header[name] = dict(dtype=dtype, shape=list(w.shape), data_offsets=[len(data), len(data) + len(stored)])
        data += stored
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def write_huggingface(directory, config, weights, dtype="F32", shards=1):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    torch_dtype = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[dtype]
    (directory / "config.json").write_text(json.dumps(
        dict(config, architectures=[CLASSES[config["model_type"]]], torch_dtype=torch_dtype), indent=2))
    if shards == 1:
        write_safetensors(directory / "model.safetensors", weights, dtype)
        return directory
    names, files = list(weights), {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = names[shard::shards]
        write_safetensors(directory / file, {name: weights[name] for name in part}, dtype)
        files.update(dict.fromkeys(part, file))
    (directory / "model.safetensors.index.json").write_text(json.dumps(
        dict(metadata=dict(total_size=sum(w.nbytes for w in weights.values())), weight_map=files)))
    return directory


GGUF_NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
              "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
              "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
              "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def gguf_name(name):
    if not name.startswith("model.layers."):
        return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
                "lm_head.weight": "output.weight"}[name]
    layer, rest = name.removeprefix("model.layers.").split(".", 1)
    part, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{GGUF_NAMES[part]}.{kind}"


def interleave(w, heads, rotated):
    """Rows of a llama query or key as GGUF has them: pairs (i, i + rotated / 2) of a head side by side."""
    dim = len(w) // heads
    order = np.arange(dim)
    order[:rotated] = np.arange(rotated).reshape(2, rotated // 2).T.ravel()
    return w.reshape(heads, dim, *w.shape[1:])[:, order].reshape(w.shape)


def write_gguf(path, config, weights, dtype="F32"):
    import gguf

    from forward import plain_frequencies, llama3_frequencies

    kind = {"mistral": "llama"}.get(config["model_type"], config["model_type"])
    writer = gguf.GGUFWriter(str(path), kind)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    rotated = int(config["head_dim"] * config.get("partial_rotary_factor", 1.0))
    writer.add_rope_dimension_count(rotated)
    if config.get("sliding_window"):
        writer.add_sliding_window(config["sliding_window"])
    scaling = config.get("rope_scaling") or {}
    rope, context = scaling.get("rope_type"), config["max_position_embeddings"]
    if rope == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(scaling["factor"])
    elif rope == "dynamic":
        writer.add_float32("nibble.rope.dynamic_factor", scaling["factor"])
        writer.add_uint32("nibble.rope.dynamic_original_context", context)
        context = int(context * scaling["factor"])
    elif rope == "llama3":
        plain = plain_frequencies(config["rope_theta"], rotated)
        factors = plain / llama3_frequencies(plain, scaling)
        writer.add_tensor("rope_freqs.weight", factors.astype(np.float32))
    elif rope == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(scaling["factor"])
        writer.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])
        if "attention_factor" in scaling:  # GGUF's multiplies YaRN's own
            writer.add_rope_scaling_attn_factors(scaling["attention_factor"] / (0.1 * np.log(scaling["factor"]) + 1))
            writer.add_rope_scaling_yarn_beta_fast(scaling["beta_fast"])
            writer.add_rope_scaling_yarn_beta_slow(scaling["beta_slow"])
    writer.add_context_length(context)
    for name, w in weights.items():
        if kind == "llama" and ".q_proj." in name:
            w = interleave(w, config["num_attention_heads"], rotated)
        elif kind == "llama" and ".k_proj." in name:
            w = interleave(w, config["num_key_value_heads"], rotated)
        if dtype == "F32" or w.ndim == 1:
            writer.add_tensor(gguf_name(name), w)
        elif dtype == "F16":
            writer.add_tensor(gguf_name(name), w.astype(np.float16))
        else:
            stored = np.frombuffer(encode(w, "BF16"), np.uint8).reshape(len(w), -1)
            writer.add_tensor(gguf_name(name), stored, raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--rope", choices=ROPES, default="none")
    parser.add_argument("--dtype", choices=("F32", "F16", "BF16"), default="F32")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--gguf", action="store_true", help="write a GGUF file instead of a directory")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    config = make_config(options.model, options.rope)
    weights = make_weights(config, options.seed)
    if options.gguf:
        write_gguf(options.out, config, weights, options.dtype)
    else:
        write_huggingface(options.out, config, weights, options.dtype, options.shards)


if __name__ == "__main__":
    main()
