"""Records which weights Wanda and SparseGPT prune and what SparseGPT makes of the others, which
src/quantize/prune_test.cpp compares.

    python make_prune_golden.py > ../golden/prune.txt

Wanda: Sun et al. 2023 (arXiv 2306.11695), equation 1 and algorithm 1, with half of each row pruned, and 2:4.
SparseGPT: Frantar and Alistarh 2023 (arXiv 2301.00774), algorithm 1 with B = Bs = 128, in double precision, with
the inverse of the damped Hessian and its Cholesky factor. Masks are chosen over all rows of a block, or in
groups. The input comes from a generator that src/quantize/prune_test.cpp repeats.
"""

import numpy as np

from splitmix64 import centred_sum, splitmix64

ROWS, COLS, TOKENS, BLOCK, DAMPING = 36, 160, 512, 128, 0.01


def values(state, rows, cols):
    sums = np.array([centred_sum(bits) for bits in splitmix64(rows * cols, state)])
    return (sums * 2.0**-13).reshape(rows, cols)


def make_input():
    """Weights, and inputs of which each channel shares something with the one before."""
    w, x = values(1, ROWS, COLS), values(2, TOKENS, COLS)
    x[:, 1:] += 0.5 * x[:, :-1]
    return w, x * np.array([4.0 if j % 16 == 5 else 1.0 for j in range(COLS)])


def smallest(scores, count):
    """True for the `count` smallest; they must stand out, since the program compares in single precision."""
    order = np.argsort(scores, axis=None, kind="stable")
    ranked = scores.flat[order]
    assert ranked[count] - ranked[count - 1] > 1e-5 * ranked[count]
    mask = np.zeros(scores.size, bool)
    mask[order[:count]] = True
    return mask.reshape(scores.shape)


def wanda(w, x, pattern):
    scores = np.abs(w) * np.linalg.norm(x, axis=0)
    if pattern is None:
        mask = np.array([smallest(row, COLS // 2) for row in scores])
    else:
        keep, group = pattern
        mask = np.array([smallest(part, group - keep) for part in scores.reshape(-1, group)]).reshape(w.shape)
    return mask


def sparsegpt(w, x, pattern):
    w, h = w.copy(), x.T @ x
    h += DAMPING * np.mean(np.diag(h)) * np.eye(COLS)
    u = np.linalg.cholesky(np.linalg.inv(h)).T  # upper triangular, u^T u = h^-1
    for begin in range(0, COLS, BLOCK):
        end = min(begin + BLOCK, COLS)
        if pattern is None:
            scores = (w[:, begin:end] / np.diag(u)[begin:end]) ** 2
            mask = smallest(scores, scores.size // 2)
        else:
            mask = np.zeros((ROWS, end - begin), bool)
        errors = np.zeros((ROWS, end - begin))
        for j in range(begin, end):
            if pattern is not None and j % pattern[1] == 0:
                keep, group = pattern
                scores = (w[:, j:j + group] / np.diag(u)[j:j + group]) ** 2
                mask[:, j - begin:j - begin + group] = [smallest(part, group - keep) for part in scores]
            kept = np.where(mask[:, j - begin], 0, w[:, j])
            errors[:, j - begin] = (w[:, j] - kept) / u[j, j]
            w[:, j + 1:end] -= np.outer(errors[:, j - begin], u[j, j + 1:end])
            w[:, j] = kept
        w[:, end:] -= errors @ u[begin:end, end:]
    return w


def main():
    w, x = make_input()
    print("# made by tests/reference/make_prune_golden.py; bits of what is pruned, and float32, as hexadecimal bytes")
    for name, pattern in (("half", None), ("2:4", (2, 4)), ("16:32", (16, 32))):
        print(f"wanda_{name}", np.packbits(wanda(w, x, pattern), bitorder="little").tobytes().hex())
    for name, pattern in (("half", None), ("2:4", (2, 4))):
        print(f"sparsegpt_{name}", sparsegpt(w, x, pattern).astype("<f4").tobytes().hex())


if __name__ == "__main__":
    main()
