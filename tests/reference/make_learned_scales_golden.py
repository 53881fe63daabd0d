"""Records which block scales of NF4 and FP4 have the least squared error by alternating least squares, which
src/quantize/learned_scales_test.cpp compares.

    python make_learned_scales_golden.py > ../golden/learned_scales.txt

For each of some scales to start from, in double precision: codes are the nearest levels l, the scale follows as
sum(w x l) / sum(w l^2); the best of them is improved by turns. With equal weights w, and with weights of a mean
of one. The input comes from a generator that src/quantize/learned_scales_test.cpp repeats.
"""

import numpy as np

from splitmix64 import centred_sum, splitmix64

BLOCKS, SIZE, ROUNDS = 200, 64, 3
STEPS = (1.0, 0.92, 0.96, 1.04, 1.08, 1.12, 1.16, 1.2, 1.25, 1.3, 1.35)
NF4 = np.array([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0])
FP4 = np.array([0, 1 / 192, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 1])
FP4 = np.concatenate([-FP4[:0:-1], FP4])


def values(state):
    sums = np.array([centred_sum(bits) for bits in splitmix64(BLOCKS * SIZE, state)])
    return (sums * 2.0**-13).reshape(BLOCKS, SIZE)


def nearest(levels, t):
    return levels[np.argmin(np.abs(t[:, None] - levels), axis=1)]


def fit(x, w, l):
    return np.sum(w * x * l) / np.sum(w * l * l)


def learn(levels, x, w):
    """The scale, its error, and the error with the largest magnitude as the scale."""
    absmax = np.abs(x).max()

    def error(scale, l):
        return np.sum(w * (x - scale * l) ** 2)

    starts = [nearest(levels, x / absmax * step) for step in STEPS]
    fitted = [(error(fit(x, w, l), l), fit(x, w, l)) for l in starts]
    scale = min(fitted, key=lambda found: found[0])[1]
    for _ in range(ROUNDS):
        scale = fit(x, w, nearest(levels, x / scale))
    return scale, error(scale, nearest(levels, x / scale)), error(absmax, nearest(levels, x / absmax))


def main():
    x = values(11) * (1.0 + np.arange(BLOCKS)[:, None] % 7)
    weights = values(12) ** 2
    weights = weights / weights.mean() + 1e-4
    print("# made by tests/reference/make_learned_scales_golden.py; arrays of float32 as hexadecimal bytes")
    for name, levels in (("nf4", NF4), ("fp4", FP4)):
        for kind, w in (("equal", np.ones_like(x)), ("weighted", weights)):
            found = np.array([learn(levels, *pair) for pair in zip(x, w)]).astype("<f4")
            for column, what in enumerate(("scales", "errors", "absmax_errors")):
                print(f"{name}_{kind}_{what}", found[:, column].tobytes().hex())


if __name__ == "__main__":
    main()
