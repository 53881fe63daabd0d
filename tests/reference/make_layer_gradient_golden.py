#!/usr/bin/env python3
"""Writes tests/golden/layer_gradient.bin: one layer's output and its gradients by all of its matrices and by
its input, for src/calibrate/layer_gradient_test.cpp. The layer is that of forward.py in float64; gradients are central
differences of it, so that no derivative is written down here.

Per case, little-endian: hidden, ffn, heads, key heads, head_dim, window (0: none), length, biases, head norms
(uint32 each; the last two 0 or 1); then as float32 the input [length, hidden], the gradient by the output
[length, hidden], the vectors and matrices in the order of names(), the output, the matrices' gradients, the gradient by the input.
"""
import pathlib
import struct

import numpy as np

from forward import attention, feed_forward, rms_norm

BASE = dict(model_type="mistral", hidden_size=16, intermediate_size=24, num_attention_heads=4,
            num_key_value_heads=2, head_dim=4, rms_norm_eps=1e-5, rope_theta=10000.0,
            max_position_embeddings=64, sliding_window=None)
CASES = [dict(), dict(biases=True, num_key_value_heads=4), dict(sliding_window=3, num_key_value_heads=1),
         dict(head_norms=True, hidden_size=20, head_dim=6)]
LENGTH = 7
MATRICES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def names(config):
    vectors = ["input_layernorm.weight", "post_attention_layernorm.weight"]
    if config.get("biases"):
        vectors += [f"{m}.bias" for m in MATRICES[:4]]
    if config.get("head_norms"):
        vectors += ["q_norm.weight", "k_norm.weight"]
    return vectors + [f"{m}.weight" for m in MATRICES]


def shape(config, name):
    hidden, ffn, dim = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    q, kv = config["num_attention_heads"] * dim, config["num_key_value_heads"] * dim
    part, kind = name.split(".")
    rows, cols = {"q_proj": (q, hidden), "k_proj": (kv, hidden), "v_proj": (kv, hidden), "o_proj": (hidden, q),
                  "gate_proj": (ffn, hidden), "up_proj": (ffn, hidden), "down_proj": (hidden, ffn),
                  "q_norm": (dim, 1), "k_norm": (dim, 1)}.get(part, (hidden, 1))
    return (rows, cols) if kind == "weight" and part in MATRICES else (rows,)


def layer(config, weights, x):
    normed = rms_norm(x, weights["input_layernorm.weight"], config["rms_norm_eps"])
    x = x + attention(normed, weights, "", config, np.float64)
    normed = rms_norm(x, weights["post_attention_layernorm.weight"], config["rms_norm_eps"])
    return x + feed_forward(normed, weights, "")


def gradient(loss, matrix, step=1e-5):
    result = np.empty_like(matrix)
    for at in np.ndindex(matrix.shape):
        value = matrix[at]
        ends = []
        for matrix[at] in (value + step, value - step):
            ends.append(loss())
        matrix[at] = value
        result[at] = (ends[0] - ends[1]) / (2 * step)
    return result


def case(config, random):
    def draw(*size, spread=1.0, mean=0.0):
        return (mean + spread * random.standard_normal(size)).astype(np.float32).astype(np.float64)

    hidden = config["hidden_size"]
    x, by_output = draw(LENGTH, hidden), draw(LENGTH, hidden)
    weights = {}
    for name in names(config):
        size = shape(config, name)
        if len(size) == 2:
            weights[name] = draw(*size, spread=1.5 / np.sqrt(size[1]))
        else:
            weights[name] = draw(*size, spread=0.3, mean=0.0 if name.endswith("bias") else 1.0)
    loss = lambda: float((layer(config, weights, x) * by_output).sum())
    out = layer(config, weights, x)
    gradients = [gradient(loss, weights[f"{m}.weight"]) for m in MATRICES]
    gradients.append(gradient(loss, x))
    header = [hidden, config["intermediate_size"], config["num_attention_heads"], config["num_key_value_heads"],
              config["head_dim"], config["sliding_window"] or 0, LENGTH, int(bool(config.get("biases"))),
              int(bool(config.get("head_norms")))]
    arrays = [x, by_output, *(weights[name] for name in names(config)), out, *gradients]
    return struct.pack("<9I", *header) + b"".join(a.astype("<f4").tobytes() for a in arrays)


def main():
    random = np.random.default_rng(11)
    data = b"".join(case({**BASE, **changes}, random) for changes in CASES)
    path = pathlib.Path(__file__).resolve().parent.parent / "golden" / "layer_gradient.bin"
    path.write_bytes(data)
    print(f"{path}: {len(data)} bytes")


if __name__ == "__main__":
    main()
