"""Records which scales SmoothQuant finds for some inputs and weights, which src/quantize/smoothquant_test.cpp
compares.

    python make_smoothquant_golden.py > ../golden/smoothquant.txt

Xiao et al. 2022 (arXiv 2211.10438), equation 4, in double precision: for two matrices with one input, the
largest magnitudes over both. The input comes from a generator that src/quantize/smoothquant_test.cpp repeats.
"""

import numpy as np

from splitmix64 import centred_sum, splitmix64

ALPHAS, ROWS, COLS, TOKENS = (0.0, 0.5, 0.8, 1.0), 24, 40, 32


def values(state, rows, cols):
    sums = np.array([centred_sum(bits) for bits in splitmix64(rows * cols, state)])
    return (sums * 2.0**-13).reshape(rows, cols)


def main():
    x = values(1, TOKENS, COLS) * np.array([64.0 if j % 13 == 4 else 1.0 for j in range(COLS)])
    w = np.concatenate([values(2, ROWS, COLS), values(3, ROWS, COLS)])
    print("# made by tests/reference/make_smoothquant_golden.py; arrays of float32 as hexadecimal bytes")
    for alpha in ALPHAS:
        s = np.abs(x).max(axis=0) ** alpha / np.abs(w).max(axis=0) ** (1 - alpha)
        print(f"alpha{alpha}", s.astype("<f4").tobytes().hex())


if __name__ == "__main__":
    main()
