"""The decoding parameters' definitions in NumPy, float64: what nibble's processors are tested against.

Written from the papers and from the documented behaviour of Hugging Face's `generate`: every step masks
whole score vectors with -inf, none of nibble's shortcuts. Run it to write tests/golden/sampling.json.
"""
import json
import pathlib
import sys

import numpy as np

DEFAULTS = dict(temperature=1.0, top_k=50, top_p=1.0, min_p=0.0, typical_p=1.0, epsilon_cutoff=0.0,
                eta_cutoff=0.0, repetition_penalty=1.0, presence_penalty=0.0, frequency_penalty=0.0, logit_bias=())


def softmax(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum()


def entropy(p):
    q = p[p > 0]
    return -(q * np.log(q)).sum()


def repetition_penalty(scores, history, penalty):
    scores = scores.copy()
    for token in set(history):
        scores[token] = scores[token] * penalty if scores[token] < 0 else scores[token] / penalty
    return scores


def count_penalties(scores, answer, presence, frequency):
    """OpenAI's API: mu[j] - c[j] * frequency - (c[j] > 0) * presence, c[j] counting token j in the answer."""
    counts = np.bincount(np.asarray(answer, dtype=int), minlength=len(scores))
    return scores - counts * frequency - (counts > 0) * presence


def logit_bias(scores, pairs):
    scores = scores.copy()
    for token, bias in pairs:
        scores[token] += bias
    return scores


def top_k(scores, k):
    smallest = np.sort(scores)[::-1][min(k, len(scores)) - 1]
    return np.where(scores < smallest, -np.inf, scores)


def top_p(scores, p):
    ascending = np.argsort(scores, kind="stable")
    remove = np.cumsum(softmax(scores)[ascending]) <= 1 - p
    remove[-1] = False
    scores = scores.copy()
    scores[ascending[remove]] = -np.inf
    return scores


def min_p(scores, p):
    probabilities = softmax(scores)
    return np.where(probabilities < p * probabilities.max(), -np.inf, scores)


def typical_p(scores, mass):
    probabilities = softmax(scores)
    with np.errstate(divide="ignore"):
        distance = np.abs(-np.log(probabilities) - entropy(probabilities))
    nearest = np.argsort(distance, kind="stable")
    last = min(int((np.cumsum(probabilities[nearest]) < mass).sum()), len(scores) - 1)
    return np.where(distance > distance[nearest[last]], -np.inf, scores)


def cutoff(scores, smallest):
    probabilities = softmax(scores)
    return np.where((probabilities < smallest) & (scores < scores.max()), -np.inf, scores)


def eta(scores, epsilon):
    return cutoff(scores, min(epsilon, np.sqrt(epsilon) * np.exp(-entropy(softmax(scores)))))


def process(logits, history, params, prompt=0):
    """The processed scores of one step, -inf where a token was taken out; the first `prompt` tokens of the
    history are the prompt."""
    p = {**DEFAULTS, **params}
    scores = np.asarray(logits, dtype=np.float64)
    if p["repetition_penalty"] != 1:
        scores = repetition_penalty(scores, history, p["repetition_penalty"])
    scores = count_penalties(scores, history[prompt:], p["presence_penalty"], p["frequency_penalty"])
    scores = logit_bias(scores, p["logit_bias"])
    scores = scores / p["temperature"]
    if p["top_k"]:
        scores = top_k(scores, p["top_k"])
    if p["top_p"] < 1:
        scores = top_p(scores, p["top_p"])
    if p["min_p"] > 0:
        scores = min_p(scores, p["min_p"])
    if p["typical_p"] < 1:
        scores = typical_p(scores, p["typical_p"])
    if p["epsilon_cutoff"] > 0:
        scores = cutoff(scores, p["epsilon_cutoff"])
    if p["eta_cutoff"] > 0:
        scores = eta(scores, p["eta_cutoff"])
    return scores


def logit_vectors():
    """Name -> logits with few bits, so that they are the same in decimal, float32 and float64."""
    random = np.random.default_rng(20240501)
    grid = lambda x: np.round(np.asarray(x) * 256) / 256
    return {
        "gaussian": grid(random.normal(0, 3, 120)),
        "peaked": grid(np.concatenate([[18.0], random.normal(0, 2, 99)])),
        "flat": grid(random.normal(0, 0.05, 400)),
        "heavy_tail": grid(random.standard_t(2, 300) * 2),
        "ties": np.round(random.normal(0, 2, 90)),
        "equal": np.zeros(64),
        "two": np.array([1.0, 2.0]),
        "one": np.array([-3.0]),
    }


def cases():
    single = [
        {}, {"top_k": 0}, {"top_k": 1}, {"top_k": 7}, {"top_k": 1000}, {"temperature": 0.25},
        {"temperature": 3.0, "top_k": 0}, {"top_k": 0, "top_p": 0.9}, {"top_k": 0, "top_p": 0.31},
        {"top_k": 0, "top_p": 0.001}, {"top_k": 0, "min_p": 0.05}, {"top_k": 0, "min_p": 1.0},
        {"top_k": 0, "typical_p": 0.9}, {"top_k": 0, "typical_p": 0.23}, {"top_k": 0, "typical_p": 0.01},
        {"top_k": 0, "epsilon_cutoff": 0.0009}, {"top_k": 0, "epsilon_cutoff": 0.9},
        {"top_k": 0, "eta_cutoff": 0.0009}, {"top_k": 0, "eta_cutoff": 0.3}, {"repetition_penalty": 1.3},
        {"repetition_penalty": 0.6, "top_k": 10},
        {"temperature": 0.7, "top_k": 40, "top_p": 0.95}, {"temperature": 1.7, "top_k": 90, "top_p": 0.8,
                                                           "min_p": 0.02},
        {"temperature": 1.2, "top_k": 60, "top_p": 0.97, "min_p": 0.01, "typical_p": 0.85,
         "epsilon_cutoff": 0.004, "eta_cutoff": 0.02, "repetition_penalty": 1.15},
        {"presence_penalty": 1.5, "top_k": 9}, {"presence_penalty": -2.0, "top_k": 9},
        {"frequency_penalty": 0.75, "top_k": 9}, {"frequency_penalty": -0.5, "presence_penalty": 0.25, "top_k": 9},
        {"logit_bias": [[0, 100.0]], "top_k": 3}, {"logit_bias": [[0, -100.0]], "top_k": 20},
        {"repetition_penalty": 1.3, "frequency_penalty": 1.0, "presence_penalty": 0.5, "logit_bias": [[0, 1.5]],
         "temperature": 0.8, "top_k": 30, "top_p": 0.9},
    ]
    random = np.random.default_rng(7)
    for name, logits in logit_vectors().items():
        for params in single:
            history = [int(t) for t in random.integers(0, len(logits), 12)]
            history += history[6:9]  # so that a token is there more than once
            prompt = int(random.integers(0, 8))
            scores = process(logits, history, params, prompt)
            kept = np.flatnonzero(scores > -np.inf)
            yield {"logits": name, "history": history, "prompt": prompt, "params": params, "kept": [int(i) for i in kept],
                   "first_probabilities": [float(f"{p:.9g}") for p in softmax(scores)[kept[:6]]]}


def golden():
    return {"logits": {k: [float(x) for x in v] for k, v in logit_vectors().items()}, "cases": list(cases())}


def dumps(value):
    """One line a vector and a case: readable differences."""
    logits = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value["logits"].items())
    lines = ",\n".join("  " + json.dumps(case) for case in value["cases"])
    return f'{{"logits": {{\n{logits}\n}},\n"cases": [\n{lines}\n]}}\n'


if __name__ == "__main__":
    default = pathlib.Path(__file__).resolve().parents[1] / "golden" / "sampling.json"
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    path.write_text(dumps(golden()), encoding="utf-8")
    print(f"wrote {path}")
