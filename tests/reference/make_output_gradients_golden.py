#!/usr/bin/env python3
"""Writes tests/golden/output_gradients.json: E[g_r^2] of the outputs of query, key, value and attention's output
matrix, of the embeddings and of the logits, for src/calibrate/output_gradients_test.cpp.

g is the gradient of the sequence's log-probability, each next token drawn from the model's own distribution. Here
nothing is drawn: the squares of all tokens are summed with their probabilities, and gradients are central
differences of forward.py, so that no derivative is written down. What is added to a product goes in as a bias that
differs from token to token.
"""
import json
import pathlib

import numpy as np

from forward import forward, softmax

CONFIG = dict(model_type="qwen2", hidden_size=8, intermediate_size=12, num_attention_heads=2, num_key_value_heads=1,
              num_hidden_layers=2, vocab_size=20, rms_norm_eps=1e-5, rope_theta=10000.0, max_position_embeddings=32)
TOKENS = [3, 17, 0, 9, 12]
NAMES = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "gate_proj": "ffn_gate",
         "up_proj": "ffn_up", "down_proj": "ffn_down", "input_layernorm": "attn_norm",
         "post_attention_layernorm": "ffn_norm"}


def make_weights(random):
    hidden, ffn, kv = CONFIG["hidden_size"], CONFIG["intermediate_size"], 4
    shapes = {"model.embed_tokens.weight": (CONFIG["vocab_size"], hidden), "model.norm.weight": (hidden,),
              "lm_head.weight": (CONFIG["vocab_size"], hidden)}
    for layer in range(CONFIG["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        shapes |= {f"{at}self_attn.q_proj.weight": (hidden, hidden), f"{at}self_attn.k_proj.weight": (kv, hidden),
                   f"{at}self_attn.v_proj.weight": (kv, hidden), f"{at}self_attn.o_proj.weight": (hidden, hidden),
                   f"{at}self_attn.q_proj.bias": (hidden,), f"{at}self_attn.k_proj.bias": (kv,),
                   f"{at}self_attn.v_proj.bias": (kv,), f"{at}mlp.gate_proj.weight": (ffn, hidden),
                   f"{at}mlp.up_proj.weight": (ffn, hidden), f"{at}mlp.down_proj.weight": (hidden, ffn),
                   f"{at}input_layernorm.weight": (hidden,), f"{at}post_attention_layernorm.weight": (hidden,)}
    weights = {}
    for name, shape in shapes.items():
        spread = 1.2 / np.sqrt(hidden) if len(shape) == 2 else 0.2
        mean = 1.0 if "norm" in name else 0.0
        weights[name] = (mean + spread * random.standard_normal(shape)).astype(np.float32).astype(np.float64)
    return weights


def log_probabilities(weights):
    logits = forward(CONFIG, weights, range(len(TOKENS)))
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def mean_squares(weights, name, base, step=1e-4):
    """Over the text's tokens: what is added to weights[name], [tokens, width], moves all log-probabilities."""
    p = np.exp(log_probabilities(weights))
    squares = np.zeros(base.shape[1])
    for at in np.ndindex(base.shape):
        ends = []
        for side in (step, -step):
            moved = base.copy()
            moved[at] += side
            ends.append(log_probabilities({**weights, name: moved}))
        squares[at[1]] += (p * ((ends[0] - ends[1]) / (2 * step)) ** 2).sum()
    return squares / len(TOKENS)


def gguf_name(name):
    if name.startswith("model.layers."):
        _, _, layer, _, part, kind = (name.split(".") if name.count(".") == 5 else
                                      [*name.split(".")[:3], "", *name.split(".")[3:]])
        return f"blk.{layer}.{NAMES[part]}.{kind}"
    return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
            "lm_head.weight": "output.weight"}[name]


def main():
    random = np.random.default_rng(23)
    weights = make_weights(random)
    tensors = {gguf_name(name): {"shape": list(w.shape), "values": w.ravel().tolist()} for name, w in weights.items()}
    # Each token reads a row of its own, so that a row is what enters the first layer at one place.
    rows = weights["model.embed_tokens.weight"][TOKENS]
    text = {**weights, "model.embed_tokens.weight": rows}
    squares = {}
    for layer in range(CONFIG["num_hidden_layers"]):
        for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
            name = f"model.layers.{layer}.self_attn.{part}"
            width = len(weights[f"{name}.weight"])
            base = np.zeros((len(TOKENS), width)) + weights.get(f"{name}.bias", 0.0)
            squares[gguf_name(f"{name}.weight")] = mean_squares(text, f"{name}.bias", base).tolist()
    p = softmax(forward(CONFIG, text, range(len(TOKENS))))
    squares["output.weight"] = (p * (1 - p)).mean(axis=0).tolist()
    embedding = mean_squares(text, "model.embed_tokens.weight", rows).tolist()
    path = pathlib.Path(__file__).resolve().parent.parent / "golden" / "output_gradients.json"
    path.write_text(json.dumps({"tokens": TOKENS, "tensors": tensors, "squares": squares, "embedding": embedding}) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
