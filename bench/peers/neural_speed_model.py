"""Writes a model of random weights in Neural Speed's file format: int4 in groups of 128 with int8 compute.

Neural Speed quantizes a checkpoint of one layer; the other layers are copies of its blocks under their own
names, since only the shape matters for speed. That takes seconds instead of minutes.

    python neural_speed_model.py OUT.bin
"""

import os
import struct
import sys
import tempfile

import numpy as np
from neural_speed_env import llama_module

# llama2-7b, as `nibble synth` names it.
VOCAB, HIDDEN, HEADS, LAYERS, FFN = 32000, 4096, 32, 32, 11008
GROUP = 128
F32, BESTLA = 0, 19


def write_header(out, layers):
    out.write(b"ggjt"[::-1])
    out.write(struct.pack("9i", 1, VOCAB, HIDDEN, 256, HEADS, HEADS, layers, HIDDEN // HEADS, F32))
    out.write(struct.pack("i2f3i", 0, 0.0, 0.0, 0, 0, 0))
    out.write(struct.pack("6i", 0, FFN, 0, 0, 0, 0))
    out.write(struct.pack("3f", 1e-5, 10000.0, 1.0))
    out.write(struct.pack("f2i", 0.0, 0, 0))
    out.write(struct.pack("4i", 1, 2, -1, -1))


def write_vocabulary(out):
    for i in range(VOCAB):
        word = f"<{i}>".encode()
        out.write(struct.pack("i", len(word)) + word + struct.pack("f", 0.0))


def write_tensor(out, random, name, *shape):
    encoded = name.encode()
    out.write(struct.pack("3i", len(shape), len(encoded), F32))
    out.write(struct.pack(f"{len(shape)}i", *shape[::-1]) + encoded)
    out.write(bytes(-out.tell() % 32))
    values = np.ones(shape, np.float32) if len(shape) == 1 else random.standard_normal(shape, np.float32) * 0.02
    out.write(values.tobytes())


def write_one_layer(path):
    random = np.random.default_rng(1)
    with open(path, "wb") as out:
        write_header(out, 1)
        write_vocabulary(out)
        write_tensor(out, random, "tok_embeddings.weight", VOCAB, HIDDEN)
        write_tensor(out, random, "norm.weight", HIDDEN)
        write_tensor(out, random, "output.weight", VOCAB, HIDDEN)
        for name in ("wq", "wk", "wv", "wo"):
            write_tensor(out, random, f"layers.0.attention.{name}.weight", HIDDEN, HIDDEN)
        write_tensor(out, random, "layers.0.attention_norm.weight", HIDDEN)
        write_tensor(out, random, "layers.0.feed_forward.w1.weight", FFN, HIDDEN)
        write_tensor(out, random, "layers.0.feed_forward.w2.weight", HIDDEN, FFN)
        write_tensor(out, random, "layers.0.feed_forward.w3.weight", FFN, HIDDEN)
        write_tensor(out, random, "layers.0.ffn_norm.weight", HIDDEN)


def read_tensors(data, offset):
    """(name, header before the name, bytes) of each tensor of a file."""
    sizes = {F32: (1, 4), 1: (1, 2), 2: (32, 18)}  # type: (elements, bytes) of a block
    while offset < len(data):
        dims, length, kind = struct.unpack_from("3i", data, offset)
        shape = struct.unpack_from(f"{dims}i", data, offset + 12)
        name_at = offset + 12 + 4 * dims
        name = bytes(data[name_at:name_at + length]).decode()
        begin = (name_at + length + 31) // 32 * 32
        if kind == BESTLA:
            size = struct.unpack_from("Q", data, begin)[0]
        else:
            elements, block = sizes[kind]
            size = int(np.prod(shape)) // elements * block
        yield name, bytes(data[offset:name_at]), data[begin:begin + size]
        offset = begin + size


def replicate(source, target):
    data = np.memmap(source, np.uint8, "r")
    header_bytes = 4 + 4 * (9 + 6 + 6 + 3 + 3 + 4)
    offset = header_bytes
    for _ in range(VOCAB):
        offset += 8 + struct.unpack_from("i", data, offset)[0]
    with open(target, "wb") as out:
        header = bytearray(data[:offset])
        struct.pack_into("i", header, 4 + 4 * 6, LAYERS)
        out.write(header)
        tensors = list(read_tensors(data, offset))
        for layer in range(LAYERS):
            for name, head, content in tensors:
                per_layer = name.startswith("layers.0.")
                if layer > 0 and not per_layer:
                    continue
                encoded = name.replace("layers.0.", f"layers.{layer}.", 1).encode()
                dims, _, kind = struct.unpack_from("3i", head)
                out.write(struct.pack("3i", dims, len(encoded), kind) + head[12:] + encoded)
                out.write(bytes(-out.tell() % 32))
                out.write(content.tobytes())


def main():
    target = sys.argv[1]
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(target))) as scratch:
        plain, quantized = os.path.join(scratch, "f32.bin"), os.path.join(scratch, "int4.bin")
        write_one_layer(plain)
        llama_module().Model.quant_model(model_path=plain, out_path=quantized, weight_dtype="int4", alg="sym",
                                         group_size=GROUP, scale_dtype="fp32", compute_dtype="int8",
                                         threads=os.cpu_count())
        replicate(quantized, target + ".part")
        os.rename(target + ".part", target)


if __name__ == "__main__":
    main()
