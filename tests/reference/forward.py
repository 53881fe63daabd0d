"""The Llama family's forward pass in NumPy: the definition that nibble's logits are tested against.

Written from the architecture as transformers defines it (LlamaForCausalLM, MistralForCausalLM,
Qwen2ForCausalLM, Qwen3ForCausalLM), over a Hugging Face config.json and tensors under their Hugging
Face names. Everything is computed in float64, one whole sequence at a time, without a cache.
"""
import math

import numpy as np


def head_dim(config):
    return config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]


def plain_frequencies(theta, dims):
    return theta ** -(np.arange(0, dims, 2, dtype=np.float64) / dims)


def llama3_frequencies(frequencies, scaling):
    old_context = scaling["original_max_position_embeddings"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    wavelengths = 2 * math.pi / frequencies
    smooth = (old_context / wavelengths - low) / (high - low)
    blended = (1 - smooth) * frequencies / scaling["factor"] + smooth * frequencies
    scaled = np.where(wavelengths > old_context / low, frequencies / scaling["factor"], blended)
    return np.where(wavelengths < old_context / high, frequencies, scaled)


def yarn_frequencies(frequencies, theta, dims, old_context, scaling):
    def correction_dim(rotations):
        return dims * math.log(old_context / (rotations * 2 * math.pi)) / (2 * math.log(theta))

    low = max(math.floor(correction_dim(scaling.get("beta_fast") or 32)), 0)
    high = min(math.ceil(correction_dim(scaling.get("beta_slow") or 1)), dims - 1)
    if low == high:
        high += 0.001
    ramp = np.clip((np.arange(dims // 2) - low) / (high - low), 0, 1)
    return frequencies / scaling["factor"] * ramp + frequencies * (1 - ramp)


def rope_frequencies(config, length):
    """The radians per position of each pair, and the factor on cosines and sines."""
    theta = config.get("rope_theta", 10000.0)
    dims = int(head_dim(config) * config.get("partial_rotary_factor", 1.0))
    frequencies = plain_frequencies(theta, dims)
    scaling = config.get("rope_scaling")
    if not scaling:
        return frequencies, 1.0
    kind, factor = scaling["rope_type"], scaling["factor"]
    context = config["max_position_embeddings"]
    if kind == "linear":
        return frequencies / factor, 1.0
    if kind == "dynamic":
        stretch = factor * max(length, context) / context - (factor - 1)
        return plain_frequencies(theta * stretch ** (dims / (dims - 2)), dims), 1.0
    if kind == "llama3":
        return llama3_frequencies(frequencies, scaling), 1.0
    if kind == "yarn":
        old_context = scaling.get("original_max_position_embeddings") or context
        attention_factor = scaling.get("attention_factor") or 0.1 * math.log(factor) + 1
        return yarn_frequencies(frequencies, theta, dims, old_context, scaling), attention_factor
    raise ValueError(f"rope_type {kind}")


def rotate(x, config):
    """x [tokens, heads, head_dim]: pairs (i, i + dims / 2) of the first dims elements are turned."""
    frequencies, factor = rope_frequencies(config, len(x))
    half = len(frequencies)
    angles = np.arange(len(x))[:, None, None] * frequencies
    cosines, sines = np.cos(angles) * factor, np.sin(angles) * factor
    a, b, rest = x[..., :half], x[..., half:2 * half], x[..., 2 * half:]
    return np.concatenate([a * cosines - b * sines, b * cosines + a * sines, rest], axis=-1)


def rms_norm(x, weight, eps):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps) * weight


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def silu(x):
    return x / (1 + np.exp(-x))


def attention_mask(config, tokens):
    """True where the query (row) sees the key (column)."""
    distance = np.arange(tokens)[:, None] - np.arange(tokens)[None, :]
    mask = distance >= 0
    window = config.get("sliding_window")
    if window and (config["model_type"] == "mistral" or config.get("use_sliding_window")):
        mask &= distance < window
    return mask


def attention(x, weights, prefix, config, kv_dtype):
    tokens, dim = len(x), head_dim(config)
    heads, kv_heads = config["num_attention_heads"], config.get("num_key_value_heads", config["num_attention_heads"])
    eps = config["rms_norm_eps"]

    def project(name, count):
        y = x @ weights[f"{prefix}{name}_proj.weight"].T
        return (y + weights.get(f"{prefix}{name}_proj.bias", 0.0)).reshape(tokens, count, dim)

    q, k, v = project("q", heads), project("k", kv_heads), project("v", kv_heads)
    if f"{prefix}q_norm.weight" in weights:
        q = rms_norm(q, weights[f"{prefix}q_norm.weight"], eps)
        k = rms_norm(k, weights[f"{prefix}k_norm.weight"], eps)
    q, k = rotate(q, config), rotate(k, config)
    k, v = (y.astype(kv_dtype).astype(np.float64) for y in (k, v))
    k, v = (np.repeat(y, heads // kv_heads, axis=1) for y in (k, v))
    scores = np.einsum("qhd,khd->hqk", q, k) / math.sqrt(dim)
    scores = np.where(attention_mask(config, tokens), scores, -np.inf)
    out = np.einsum("hqk,khd->qhd", softmax(scores), v).reshape(tokens, heads * dim)
    return out @ weights[f"{prefix}o_proj.weight"].T + weights.get(f"{prefix}o_proj.bias", 0.0)


def feed_forward(x, weights, prefix):
    gate = silu(x @ weights[f"{prefix}gate_proj.weight"].T)
    return (gate * (x @ weights[f"{prefix}up_proj.weight"].T)) @ weights[f"{prefix}down_proj.weight"].T


def forward(config, weights, tokens, kv_dtype=np.float64):
    """Logits [tokens, vocab] of one sequence. kv_dtype: what keys and values are rounded to."""
    weights = {name: w.astype(np.float64) for name, w in weights.items()}
    eps = config["rms_norm_eps"]
    x = weights["model.embed_tokens.weight"][np.asarray(tokens)]
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        normed = rms_norm(x, weights[f"{prefix}input_layernorm.weight"], eps)
        x = x + attention(normed, weights, f"{prefix}self_attn.", config, kv_dtype)
        normed = rms_norm(x, weights[f"{prefix}post_attention_layernorm.weight"], eps)
        x = x + feed_forward(normed, weights, f"{prefix}mlp.")
    x = rms_norm(x, weights["model.norm.weight"], eps)
    output = "model.embed_tokens.weight" if config.get("tie_word_embeddings") else "lm_head.weight"
    return x @ weights[output].T
