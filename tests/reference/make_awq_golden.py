"""Records which scales AWQ finds for some matrices, and their error, which src/quantize/awq_test.cpp compares.

    python make_awq_golden.py > ../golden/awq.txt

Lin et al. 2023 (arXiv 2306.00978), written from section 3.2 in double precision: the inputs run through the
quantized matrix for every alpha, as in the paper, with no Hessian. The rounding is NF4's, whose scale is the
block's largest magnitude (Dettmers et al. 2023). The input comes from a generator that
src/quantize/awq_test.cpp repeats.
"""

import numpy as np

from splitmix64 import centred_sum, splitmix64

CASES, ROWS, COLS, TOKENS, BLOCK = 6, 40, 128, 96, 64
NF4 = np.array([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0])


def values(state, rows, cols):
    sums = np.array([centred_sum(bits) for bits in splitmix64(rows * cols, state)])
    return (sums * 2.0**-13).reshape(rows, cols)


def make_case(case):
    """Weights, and inputs of which some channels are much larger than the others."""
    gain = np.array([(2.0 ** (case + 1) if j % (5 + case) == 3 else 1.0) * (1 + j % 4) for j in range(COLS)])
    return values(2 * case + 1, ROWS, COLS), values(2 * case + 2, TOKENS, COLS) * gain


def round_to_nearest(w):
    blocks = w.reshape(-1, BLOCK)
    absmax = np.abs(blocks).max(axis=1, keepdims=True)
    codes = np.argmin(np.abs(blocks[:, :, None] / absmax[:, :, None] - NF4), axis=2)
    return (NF4[codes] * absmax).reshape(w.shape)


def search(w, x):
    found = []
    for alpha in np.arange(20) / 20:
        s = np.abs(x).mean(axis=0) ** alpha
        s /= np.sqrt(s.max() * s.min())
        error = np.sum(((x / s) @ round_to_nearest(w * s).T - x @ w.T) ** 2)
        found.append((error, alpha, s))
    best = min(found, key=lambda candidate: candidate[0])
    return [best[1], best[0], found[0][0], *best[2]]


def main():
    print("# made by tests/reference/make_awq_golden.py; arrays of float32 as hexadecimal bytes")
    for case in range(CASES):
        print(f"case{case}", np.array(search(*make_case(case))).astype("<f4").tobytes().hex())


if __name__ == "__main__":
    main()
