#!/usr/bin/env python3
"""Writes tests/golden/dequantize.bin: blocks of random bits of every standard type and their values by the
gguf package, for src/tensor/dequantize_test.cpp.

Per type, little-endian: type number, count of bytes, count of values (uint32 each), the bytes, the values
as float32. Scales are kept to ordinary sizes; everything else is random.
"""
import pathlib
import struct

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize

# Byte offsets of the halves in a block.
HALVES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q2_K: [80, 82], T.Q3_K: [108],
    T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_NL: [0], T.IQ4_XS: [0], T.MXFP4: [], T.BF16: [],
    T.F16: [],
}
BLOCKS = 3


def blocks_of(kind, rng):
    elements, size = GGML_QUANT_SIZES[kind]
    if kind == T.F16:
        return rng.standard_normal(64).astype(np.float16).view(np.uint8)
    if kind == T.BF16:
        return (rng.standard_normal(64).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    data = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for offset in HALVES[kind]:
        data[:, offset:offset + 2] = rng.standard_normal((BLOCKS, 1)).astype(np.float16).view(np.uint8)
    if kind == T.MXFP4:
        data[:, 0] = [0, 1, 125]  # both subnormal scales and an ordinary one
    return data.reshape(-1)


def main():
    rng = np.random.default_rng(7)
    out = bytearray()
    for kind in HALVES:
        data = blocks_of(kind, rng)
        values = dequantize(data, kind).astype("<f4").reshape(-1)
        out += struct.pack("<III", int(kind), data.size, values.size) + data.tobytes() + values.tobytes()
    path = pathlib.Path(__file__).resolve().parent.parent / "golden" / "dequantize.bin"
    path.write_bytes(out)
    print(f"{path}: {len(out)} bytes")


if __name__ == "__main__":
    main()
