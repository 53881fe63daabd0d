"""The bundled questions are well formed and give no letter away."""
import collections
import json
import pathlib

FILE = pathlib.Path(__file__).resolve().parents[1] / "data" / "questions" / "science.jsonl"


def questions():
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def test_every_question_has_the_format_of_arc():
    rows = questions()
    assert len(rows) >= 100
    assert len({row["id"] for row in rows}) == len({row["question"]["stem"] for row in rows}) == len(rows)
    for row in rows:
        choices = row["question"]["choices"]
        assert 3 <= len(choices) <= 5
        assert [c["label"] for c in choices] == list("ABCDE"[: len(choices)])
        assert len({c["text"] for c in choices}) == len(choices)
        assert row["answerKey"] in [c["label"] for c in choices]


def test_no_letter_is_right_more_often_than_another():
    counts = collections.Counter(row["answerKey"] for row in questions())
    assert max(counts.values()) < 1.3 * min(counts[letter] for letter in "ABCD")
