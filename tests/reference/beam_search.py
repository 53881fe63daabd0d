"""Beam search and group beam search as Hugging Face's `generate` defines them, in NumPy, float64.

Written from their documented behaviour: a group keeps `group_size` running beams and as many complete answers; each
step takes its max(2, 1 + end tokens) * group_size best continuations. Run it to write tests/golden/beam_search.json.
"""
import json
import pathlib
import sys

import numpy as np

DEFAULTS = dict(num_beams=1, num_beam_groups=1, diversity_penalty=0.0, length_penalty=1.0, early_stopping="off",
                num_return_sequences=1)


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


class Table:
    """A language model that is a table: the row of logits depends on the last two tokens and the length."""

    def __init__(self, logits):
        self.rows = log_softmax(np.asarray(logits, dtype=np.float64))

    def row_number(self, tokens):
        last = (tokens[-1] + 1) if tokens else 0
        before = (tokens[-2] + 1) if len(tokens) > 1 else 0
        return (last * 7 + before * 3 + len(tokens)) % len(self.rows)

    def row(self, tokens):
        return self.rows[self.row_number(tokens)]


class Group:
    def __init__(self, size):
        self.size, self.beams, self.answers, self.done = size, [((), 0.0)], [], False

    def add(self, tokens, score, ended):
        if len(self.answers) < self.size or score > min(a[1] for a in self.answers):
            self.answers.append((tokens, score, ended))
            if len(self.answers) > self.size:
                self.answers.remove(min(self.answers, key=lambda a: a[1]))


def search(table, ends, max_new_tokens, params):
    p = {**DEFAULTS, **params}
    size = p["num_beams"] // p["num_beam_groups"]
    keep = max(2, 1 + len(ends)) * size
    groups = [Group(size) for _ in range(p["num_beam_groups"])]
    vocab = table.rows.shape[1]
    final = lambda total, length: total / length ** p["length_penalty"]
    for length in range(1, max_new_tokens + 1):
        chosen = np.zeros(vocab)  # by earlier groups, in this step
        for group in groups:
            if group.done:
                continue
            scores = np.stack([table.row(t) - p["diversity_penalty"] * chosen + total for t, total in group.beams])
            order = np.argsort(-scores.reshape(-1), kind="stable")[:keep]
            best = [(int(i) // vocab, int(i) % vocab, scores.reshape(-1)[i]) for i in order]
            running = []
            for rank, (beam, token, total) in enumerate(best):
                tokens = group.beams[beam][0] + (token,)
                if token in ends:
                    if rank < size:
                        group.add(tokens, final(total, length), True)
                else:
                    running.append((tokens, total))
                if len(running) == size:
                    break
            for tokens, _ in running:
                chosen[tokens[-1]] += 1
            group.beams = running
            # The search alone asks what its running beams may reach, that in groups what any continuation may.
            attainable = best[0][2] if p["num_beam_groups"] > 1 else running[0][1]
            if len(group.answers) == size:
                worst = min(a[1] for a in group.answers)
                if p["early_stopping"] == "on":
                    group.done = True
                elif p["early_stopping"] == "never" and p["length_penalty"] > 0:
                    group.done = worst >= final(attainable, max_new_tokens)
                else:
                    group.done = worst >= final(attainable, length)
        if all(g.done for g in groups):
            break
    for group in groups:
        if not group.done:
            for tokens, total in group.beams:
                group.add(tokens, final(total, len(tokens)), False)
    answers = sorted((a for g in groups for a in g.answers), key=lambda a: -a[1])
    return answers[:p["num_return_sequences"]]


def cases():
    random = np.random.default_rng(20240611)
    settings = []
    for early in ("off", "on", "never"):
        for penalty in (1.0, 0.0, 2.0, -0.5):
            settings.append(dict(num_beams=4, early_stopping=early, length_penalty=penalty, num_return_sequences=4))
            settings.append(dict(num_beams=6, num_beam_groups=3, diversity_penalty=0.75, early_stopping=early,
                                 length_penalty=penalty, num_return_sequences=6))
    settings += [dict(num_beams=2), dict(num_beams=8, num_return_sequences=3),
                 dict(num_beams=4, num_beam_groups=4, diversity_penalty=2.0, num_return_sequences=4),
                 dict(num_beams=4, num_beam_groups=2, diversity_penalty=0.1, num_return_sequences=2)]
    for number in range(4):
        vocab = (12, 20, 31, 40)[number]
        logits = np.round(random.normal(0, 2, (17, vocab)) * 256) / 256
        ends = [[3], [0, 5], [], [1]][number]
        logits[:, ends] += (0.5, 1.5, 0, 2.5)[number]
        tables[str(number)] = logits.tolist()
        for params in settings:
            length = (5, 9, 14)[len(params) % 3]
            answers = search(Table(logits), ends, length, params)
            yield {"table": str(number), "ends": ends, "max_new_tokens": length, "params": params,
                   "answers": [{"tokens": list(map(int, t)), "score": float(f"{s:.9g}"), "ended": e}
                               for t, s, e in answers]}


tables = {}


def golden():
    tables.clear()
    listed = list(cases())
    return {"tables": dict(tables), "cases": listed}


def dumps(value):
    lines = ",\n".join("  " + json.dumps(case) for case in value["cases"])
    rows = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value["tables"].items())
    return f'{{"tables": {{\n{rows}\n}},\n"cases": [\n{lines}\n]}}\n'


if __name__ == "__main__":
    default = pathlib.Path(__file__).resolve().parents[1] / "golden" / "beam_search.json"
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    path.write_text(dumps(golden()), encoding="utf-8")
    print(f"wrote {path}")
