"""Records llama.cpp's quantization error, which src/quantize's tests hold nibble's against.

    python record_llamacpp_rmse.py LIBGGML_BASE > ../golden/llamacpp_rmse.txt

LIBGGML_BASE is ggml's shared library (libggml-base.so), for example from the PyPI package llama-cpp-python.
Every row is quantized as llama-quantize does it without an importance matrix. The rows come from a
generator that src/quantize/quantize_row_test.cpp repeats.
"""

import ctypes
import math
import sys

import numpy as np

ROWS, COLS = 32, 2048
TYPES = {
    "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q2_K": 10, "Q3_K": 11, "Q4_K": 12, "Q5_K": 13,
    "Q6_K": 14, "IQ4_NL": 20, "IQ4_XS": 23, "MXFP4": 39,
}  # fmt: skip


class SplitMix64:
    """Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014."""

    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        """In (0, 1), 53 bits."""
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return (((z ^ (z >> 31)) >> 11) + 0.5) * 2.0**-53

    def normal(self):
        """Box and Muller, the cosine half."""
        radius = math.sqrt(-2.0 * math.log(self.uniform()))
        return radius * math.cos(2.0 * math.pi * self.uniform())


def gauss(r):
    return r.normal()


def student3(r):
    z = r.normal()
    chi2 = sum(r.normal() ** 2 for _ in range(3))
    return z / math.sqrt(chi2 / 3.0)


def laplace(r):
    magnitude = -math.log(r.uniform())
    return magnitude if r.uniform() < 0.5 else -magnitude


def main():
    ggml = ctypes.CDLL(sys.argv[1])
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [
        ctypes.c_void_p
    ]
    print("# type distribution root-mean-square-error; made by tests/reference/record_llamacpp_rmse.py")
    for seed, draw in enumerate([gauss, student3, laplace], start=1):
        generator = SplitMix64(seed)
        x = np.array([0.02 * draw(generator) for _ in range(ROWS * COLS)], np.float64).astype(np.float32)
        for name, number in TYPES.items():
            packed, y = np.zeros(x.nbytes, np.uint8), np.zeros_like(x)
            ggml.ggml_quantize_init(number)
            ggml.ggml_quantize_chunk(number, x.ctypes.data, packed.ctypes.data, 0, ROWS, COLS, None)
            dequantize = getattr(ggml, f"dequantize_row_{name.lower().replace('_k', '_K')}")
            dequantize.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
            dequantize(packed.ctypes.data, y.ctypes.data, x.size)
            error = math.sqrt(np.mean((y.astype(np.float64) - x.astype(np.float64)) ** 2))
            print(f"{name} {draw.__name__} {error:.9g}")


if __name__ == "__main__":
    main()
