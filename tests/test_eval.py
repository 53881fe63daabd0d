"""nibble eval against its definitions in NumPy: ARC, perplexity and KL divergence on a tiny checkpoint whose
forward pass, tokenizer and statistics are all computed independently."""
import json

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from forward import forward
from make_checkpoint import make_config, make_weights, write_huggingface

BEGIN, END = "<|begin|>", "<|end|>"
MERGES = [("t", "h"), ("th", "e"), ("i", "n"), ("Ġ", "a"), ("Ġ", "the"), ("e", "r"), ("a", "n"), ("in", "g")]
QUESTIONS = [  # id, stem, choices, right one
    ("q1", "What is the hottest thing here?", ["ice", "a burning fire in the oven", "snow"], "B"),
    ("q2", "Pick one", ["x", "x", "the other"], "C"),
    ("q3", "Pourquoi le café est-il chaud? 100 °C", ["chauffé à 100 °C", "froid", "né", "rien du tout"], "A"),
    ("q4", "Five choices", ["a", "b", "c", "an answer", "other"], "E"),
    ("q5", "Digits", ["1", "2", "33", "444"], "2"),
]


def labels(count, digits):
    return "12345"[:count] if digits else "ABCDE"[:count]


def question_lines(questions=QUESTIONS):
    lines = []
    for name, stem, choices, key in questions:
        marked = [{"text": text, "label": label} for text, label in zip(choices, labels(len(choices), key.isdigit()))]
        lines.append(json.dumps({"id": name, "question": {"stem": stem, "choices": marked}, "answerKey": key}))
    return "\n".join(lines) + "\n"


def make_tokenizer():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, *("".join(m) for m in MERGES)]
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, MERGES))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([BEGIN, END])
    return tokenizer


class Tiny:
    """A checkpoint, and what a definition needs of it."""

    def __init__(self, path, seed=1):
        self.path, self.tokenizer = path, make_tokenizer()
        self.config = make_config("llama", vocab_size=self.tokenizer.get_vocab_size(), max_position_embeddings=256)
        self.weights = make_weights(self.config, seed)
        write_huggingface(path, self.config, self.weights)
        self.tokenizer.save(str(path / "tokenizer.json"))
        (path / "tokenizer_config.json").write_text(json.dumps(
            {"bos_token": BEGIN, "eos_token": END, "add_bos_token": False, "tokenizer_class": "GPT2TokenizerFast"}))

    def log_probabilities(self, ids):
        logits = forward(self.config, self.weights, ids)
        return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)

    def log_likelihood(self, context, continuation):
        """As lm-evaluation-harness: tokenized together, split at the length of the tokenized context."""
        length = len(self.tokenizer.encode(context).ids)
        ids = self.tokenizer.encode(context + continuation).ids
        rows = self.log_probabilities(ids)
        return sum(rows[i - 1, ids[i]] for i in range(length, len(ids)))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return Tiny(tmp_path_factory.mktemp("eval") / "tiny")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Tiny(tmp_path_factory.mktemp("eval") / "other", seed=2)


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    path = tmp_path_factory.mktemp("eval") / "questions.jsonl"
    path.write_text(question_lines(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    words = "the thing in there and another thing that is near the end of an inner ring 1234 über\n".split(" ")
    random = np.random.default_rng(3)
    path = tmp_path_factory.mktemp("eval") / "text.txt"
    path.write_text(" ".join(random.choice(words, 400)) + "\n", encoding="utf-8")
    return path


def evaluate(nibble, *arguments):
    return json.loads(nibble("eval", *arguments, "--json", "--kv-type", "f32", "--quiet").stdout)


def standard_error(values):
    return np.std(values, ddof=1) / np.sqrt(len(values))


def test_arc_is_lm_evaluation_harness(nibble, tiny, questions):
    result = evaluate(nibble, tiny.path, "--arc", questions)
    assert result["task"] == "arc" and result["n"] == len(QUESTIONS)
    right, right_norm = [], []
    for (name, stem, choices, key), answer in zip(QUESTIONS, result["questions"], strict=True):
        sums = [tiny.log_likelihood(f"Question: {stem}\nAnswer:", " " + choice) for choice in choices]
        assert answer["ll"] == pytest.approx(sums, abs=1e-3)
        assert answer["id"] == name
        assert answer["gold"] == labels(len(choices), key.isdigit()).index(key)
        assert answer["pred"] == int(np.argmax(sums))
        assert answer["pred_norm"] == int(np.argmax(np.array(sums) / [len(c) for c in choices]))
        right.append(answer["pred"] == answer["gold"])
        right_norm.append(answer["pred_norm"] == answer["gold"])
    assert result["acc"] == pytest.approx(np.mean(right))
    assert result["acc_stderr"] == pytest.approx(standard_error(right))
    assert result["acc_norm"] == pytest.approx(np.mean(right_norm))
    assert result["acc_norm_stderr"] == pytest.approx(standard_error(right_norm))


def test_first_wins_ties(nibble, tiny, questions):
    answer = evaluate(nibble, tiny.path, "--arc", questions)["questions"][1]
    assert answer["ll"][0] == answer["ll"][1]
    assert answer["pred"] != 1 and answer["pred_norm"] != 1


def test_arc_with_letters(nibble, tiny, questions):
    result = evaluate(nibble, tiny.path, "--arc", questions, "--arc-style", "letter")
    assert result["style"] == "letter"
    for answer in result["questions"]:
        assert answer["pred"] == answer["pred_norm"] == int(np.argmax(answer["ll"]))
    # ChatML, since the checkpoint has no template; its control tokens are plain text to this tokenizer.
    name, stem, choices, _ = QUESTIONS[0]
    options = "".join(f"{letter}. {choice}\n" for letter, choice in zip("ABC", choices))
    prompt = (f"<|im_start|>user\n{stem}\n{options}Answer with the letter of the correct option only.<|im_end|>\n"
              "<|im_start|>assistant\n")
    sums = [tiny.log_likelihood(prompt, letter) for letter in "ABC"]
    assert result["questions"][0]["ll"] == pytest.approx(sums, abs=1e-3)


def test_begin_token_where_the_vocabulary_adds_it(nibble, tmp_path, questions):
    model = Tiny(tmp_path / "begin")
    config = json.loads((model.path / "tokenizer_config.json").read_text())
    (model.path / "tokenizer_config.json").write_text(json.dumps({**config, "add_bos_token": True}))
    stem, choices = QUESTIONS[0][1:3]
    answer = evaluate(nibble, model.path, "--arc", questions)["questions"][0]
    sums = [model.log_likelihood(f"{BEGIN}Question: {stem}\nAnswer:", " " + choice) for choice in choices]
    assert answer["ll"] == pytest.approx(sums, abs=1e-3)


def nlls(model, text, context, stride=None, chunks=None):
    """Negative log-probabilities as llama.cpp's chunks, or as Hugging Face's strided windows."""
    ids = model.tokenizer.encode(text.read_text(encoding="utf-8").removesuffix("\n")).ids
    values, scored, windows = [], 0, 0
    for begin in range(0, len(ids), stride or context):
        window = ids[begin:begin + context]
        if windows == chunks or (stride is None and len(window) < context) or scored >= len(ids):
            break
        first = context // 2 + 1 if stride is None else max(scored - begin, 1)
        rows = model.log_probabilities(window)
        values += [-rows[i - 1, window[i]] for i in range(first, len(window))]
        scored, windows = begin + len(window), windows + 1
    return np.array(values), windows


@pytest.mark.parametrize("options", [dict(context=64), dict(context=64, chunks=3), dict(context=48, stride=16),
                                     dict(context=50, stride=17, chunks=4), dict(context=32, stride=32)])
def test_perplexity(nibble, tiny, text, options):
    flags = [x for name, value in options.items() for x in (f"--{name}", value)]
    result = evaluate(nibble, tiny.path, "--perplexity", text, *flags)
    values, windows = nlls(tiny, text, **options)
    assert result["task"] == "perplexity"
    assert (result["tokens"], result["chunks"]) == (len(values), windows)
    assert result["perplexity"] == pytest.approx(np.exp(values.mean()), rel=1e-4)
    assert result["stderr"] == pytest.approx(standard_error(values) * np.exp(values.mean()), rel=1e-3)


def test_kld(nibble, tiny, other, text):
    result = evaluate(nibble, tiny.path, "--kld", text, "--base", other.path, "--context", 64, "--chunks", 4)
    ids = tiny.tokenizer.encode(text.read_text(encoding="utf-8").removesuffix("\n")).ids
    kld, same, ratio = [], [], []
    for begin in range(0, 4 * 64, 64):
        window = ids[begin:begin + 64]
        p, q = (m.log_probabilities(window)[32:63] for m in (other, tiny))
        kld += list((np.exp(p) * (p - q)).sum(-1))
        same += list(p.argmax(-1) == q.argmax(-1))
        ratio += list((p - q)[range(31), window[33:]])
    assert result["task"] == "kld" and result["tokens"] == len(kld)
    assert result["kld"] == pytest.approx(np.mean(kld), rel=1e-3)
    assert result["kld_stderr"] == pytest.approx(standard_error(kld), rel=1e-3)
    for key, q in ("kld_median", 0.5), ("kld_90", 0.9), ("kld_99", 0.99), ("kld_max", 1):
        assert result[key] == pytest.approx(np.quantile(kld, q), rel=1e-3)
    assert result["top1_agreement"] == pytest.approx(np.mean(same))
    assert result["perplexity"] == pytest.approx(np.exp(nlls(tiny, text, 64, chunks=4)[0].mean()), rel=1e-4)
    assert result["base_perplexity"] == pytest.approx(np.exp(nlls(other, text, 64, chunks=4)[0].mean()), rel=1e-4)
    assert result["log_ratio"] == pytest.approx(np.mean(ratio), abs=1e-4)
    assert result["log_ratio_stderr"] == pytest.approx(standard_error(ratio), rel=1e-3)


def test_kld_from_itself_is_zero(nibble, tiny, text):
    result = evaluate(nibble, tiny.path, "--kld", text, "--base", tiny.path, "--context", 64, "--chunks", 2)
    assert result["kld"] == 0 and result["top1_agreement"] == 1 and result["log_ratio"] == 0


def test_saved_base_logits_stand_for_the_base(nibble, tiny, other, text, tmp_path):
    flags, saved = ("--kld", text, "--context", 64), tmp_path / "base.gguf"
    first = evaluate(nibble, tiny.path, *flags, "--chunks", 4, "--base", other.path, "--save-base-logits", saved)
    assert saved.stat().st_size > 4 * 31 * other.config["vocab_size"] * 4
    assert {**evaluate(nibble, tiny.path, *flags, "--chunks", 4, "--base", saved), "base": 0} == {**first, "base": 0}
    # Fewer windows are the first of those; the base itself is at no distance.
    fewer = [evaluate(nibble, tiny.path, *flags, "--chunks", 2, "--base", base) for base in (saved, other.path)]
    assert {**fewer[0], "base": 0} == {**fewer[1], "base": 0}
    assert evaluate(nibble, other.path, *flags, "--chunks", 4, "--base", saved)["kld"] == 0


def test_saved_base_logits_of_something_else(nibble, tiny, other, text, tmp_path):
    saved, another = tmp_path / "base.gguf", tmp_path / "another.txt"
    flags = ("--kld", text, "--context", 64, "--chunks", 2)
    evaluate(nibble, tiny.path, *flags, "--base", other.path, "--save-base-logits", saved)
    another.write_text("the " + text.read_text(encoding="utf-8"), encoding="utf-8")
    cases = (another, 64, 2), (text, 32, 2), (text, 64, 3), (text, 64, 2, "--stride", 32)
    for file, context, chunks, *stride in cases:
        status, message = failure(nibble, tiny.path, "--kld", file, "--context", context, "--chunks", chunks, *stride,
                                  "--base", saved)
        assert status == 1 and str(saved) in message and "--save-base-logits" in message
    again = tmp_path / "again.gguf"
    status, message = failure(nibble, tiny.path, *flags, "--base", saved, "--save-base-logits", again)
    assert status == 2 and "--base" in message and not again.exists()
    status, message = failure(nibble, tiny.path, *flags, "--base", other.path, "--save-base-logits", text)
    assert status == 2 and "--save-base-logits" in message
    saved.write_bytes(saved.read_bytes()[:-200])
    status, message = failure(nibble, tiny.path, *flags, "--base", saved)
    assert status == 1 and str(saved) in message


def test_several_tasks_give_a_list(nibble, tiny, questions, text, tmp_path):
    out = tmp_path / "results.json"
    run = nibble("eval", tiny.path, "--arc", questions, "--perplexity", text, "--context", 64, "--json", out)
    tasks = json.loads(out.read_text())
    assert [task["task"] for task in tasks] == ["arc", "perplexity"]
    assert f"Perplexity: {tasks[1]['perplexity']:.4f}" in run.stdout
    assert "all 5 questions" in run.stdout and str(questions) in run.stdout


def test_sample_is_the_same_for_every_model(nibble, tiny, other, tmp_path):
    stems = [(f"id{i}", f"Question {i}", ["one", "two", "three"], "A") for i in range(40)]
    for name in "ARC-Easy-Test", "ARC-Challenge-Test":
        (tmp_path / f"{name}.jsonl").write_text(question_lines(stems[:30] if "Easy" in name else stems[30:]))
    asked = []
    for model, seed in (tiny, 0), (other, 0), (tiny, 1):
        result = evaluate(nibble, model.path, "--arc", tmp_path, "--limit", 8, "--seed", seed)
        assert result["sample"] == f"8 of 40 questions, seed {seed}"
        assert {s["set"]: s["n"] for s in result["sets"]} == {"ARC-Easy": 6, "ARC-Challenge": 2}
        asked.append([q["id"] for q in result["questions"]])
    assert asked[0] == asked[1] != asked[2]


def test_questions_that_come_along(nibble, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("NIBBLE_DATA", str(tmp_path))
    result = evaluate(nibble, tiny.path, "--arc", "--limit", 10)
    assert "come with nibble" in result["data"] and result["total"] >= 100 and result["n"] == 10


def test_threads_change_nothing(nibble, tiny, questions):
    assert evaluate(nibble, tiny.path, "--arc", questions, "--threads", 1) == evaluate(
        nibble, tiny.path, "--arc", questions, "--threads", 3)


def failure(nibble, *arguments):
    result = nibble("eval", *arguments, "--quiet", check=False)
    assert result.stderr.startswith("nibble: ") and result.stderr.count("\n") == 1
    assert result.stdout == ""
    return result.returncode, result.stderr


def test_errors(nibble, tiny, questions, text, tmp_path):
    assert failure(nibble, tiny.path)[0] == 2
    assert failure(nibble, tiny.path, "--kld", text)[0] == 2
    assert failure(nibble, tiny.path, "--arc", questions, "--arc-style", "poem")[0] == 2
    bad = tmp_path / "bad.jsonl"
    bad.write_text(question_lines() + '{"id": "q6"}\n', encoding="utf-8")
    status, message = failure(nibble, tiny.path, "--arc", bad)
    assert status == 1 and f"{bad}:6:" in message
    status, message = failure(nibble, tiny.path, "--arc", tmp_path / "none.jsonl")
    assert status == 1 and "none.jsonl" in message
    status, message = failure(nibble, tiny.path, "--perplexity", text, "--context", 4000)
    assert status == 2 and "4000" in message
    status, message = failure(nibble, tiny.path, "--perplexity", text, "--context", 300)
    assert status == 2 and "256" in message
    status, message = failure(nibble, tiny.path, "--perplexity", text, "--context", 64, "--stride", 65)
    assert status == 2 and "--stride 65" in message and "64" in message
    short = tmp_path / "short.txt"
    short.write_text("so few")
    status, message = failure(nibble, tiny.path, "--perplexity", short, "--context", 64)
    assert status == 1 and f"{short} has" in message and "longer text" in message
    short.write_bytes(b"\xff\xfe\x00")
    status, message = failure(nibble, tiny.path, "--perplexity", short, "--context", 64)
    assert status == 1 and f"{short}: at byte 0 it is no UTF-8 text" in message
    long = tmp_path / "long.jsonl"
    long.write_text(question_lines([("long", "word " * 300, ["a", "b", "c"], "A")]))
    status, message = failure(nibble, tiny.path, "--arc", long)
    assert status == 1 and "question long" in message and "256" in message


def test_real_model(nibble, smol_model, data_dir):
    """llama.cpp gives these weights in float32 a perplexity of 22.4998 +/- 0.681 on the first 40 chunks; five
    chunks of them keep the test short, and 8-bit activations move it a little."""
    result = evaluate(nibble, smol_model, "--perplexity", data_dir / "wikitext-2-raw" / "wiki.test.raw", "--chunks", 5,
                      "--arc", data_dir, "--limit", 60)
    arc, perplexity = result
    assert arc["sample"] == "60 of 3,546 questions, seed 0"
    assert 0.3 < arc["acc"] < 0.7
    assert 10 < perplexity["perplexity"] < 40 and perplexity["tokens"] == 5 * 255
