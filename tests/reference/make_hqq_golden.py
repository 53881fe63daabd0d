"""Records what the half-quadratic solver of HQQ makes of some blocks, which src/quantize/hqq_test.cpp compares.

    python make_hqq_golden.py > ../golden/hqq.txt

Badri and Shaji 2023, https://mobiusml.github.io/hqq_blog/, written from its equations in double precision, with
the paper's zero point z: q = round(W s + z), W = (q - z) / s. The input comes from a
generator that src/quantize/hqq_test.cpp repeats.
"""

import numpy as np

from splitmix64 import centred_sum, splitmix64

BLOCKS, SIZE = 200, 32
P, BETA, KAPPA, ITERATIONS = 0.7, 10.0, 1.01, 20


def make_input():
    sums = np.array([centred_sum(bits) for bits in splitmix64(BLOCKS * SIZE, 7)])
    x = (sums * 2.0**-10).reshape(BLOCKS, SIZE)
    x[1::2, 17] *= 3  # an outlier
    return x


def shrink(x, beta):
    size = np.abs(x)
    with np.errstate(divide="ignore"):
        return np.sign(x) * np.maximum(0, size - size ** (P - 1) / beta)


def solve(w):
    """The offset -z / s of the least error, and that error."""
    s = 15 / (w.max() - w.min())
    z, beta = -w.min() * s, BETA

    def round_to_nearest(z):
        q = np.clip(np.round(w * s + z), 0, 15)
        return q, (q - z) / s

    def error_of(z):
        return np.sum(np.abs(w - round_to_nearest(z)[1]) ** P)

    best, least = z, error_of(z)
    for _ in range(ITERATIONS):
        q, values = round_to_nearest(z)
        z = np.mean(q - (w - shrink(w - values, beta)) * s)
        error = error_of(z)
        if error >= least:
            break
        beta, best, least = beta * KAPPA, z, error
    return -best / s, least


def main():
    found = np.array([solve(w) for w in make_input()]).astype("<f4")
    print("# made by tests/reference/make_hqq_golden.py; arrays of float32 as hexadecimal bytes")
    print("offset", found[:, 0].tobytes().hex())
    print("error", found[:, 1].tobytes().hex())


if __name__ == "__main__":
    main()
