"""The bundled questions: well formed, balanced, and none of them ARC's."""
import collections
import json
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
LETTERS = "ABCDE"


@pytest.fixture(scope="module")
def questions():
    lines = (ROOT / "data" / "questions" / "science.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def texts(question):
    return [choice["text"] for choice in question["question"]["choices"]]


def words(text):
    return re.findall(r"[a-z0-9]+", text.lower())


def test_format_is_arcs(questions):
    assert len(questions) >= 150
    for question in questions:
        assert set(question) == {"id", "question", "answerKey"}
        assert set(question["question"]) == {"stem", "choices"}
        assert question["question"]["stem"].strip().endswith((".", "?"))
        labels = [choice["label"] for choice in question["question"]["choices"]]
        assert 3 <= len(labels) <= 5 and labels == list(LETTERS[:len(labels)])
        assert question["answerKey"] in labels


def test_ids_stems_and_choices_are_unique(questions):
    ids = [question["id"] for question in questions]
    assert ids == [f"nibble-{i:03d}" for i in range(1, len(questions) + 1)]
    stems = [" ".join(words(question["question"]["stem"])) for question in questions]
    assert len(set(stems)) == len(stems)
    for question in questions:
        assert len({text.strip().lower() for text in texts(question)}) == len(texts(question)), question["id"]


def test_right_letters_are_spread_evenly(questions):
    for half in (questions[:len(questions) // 2], questions[len(questions) // 2:]):
        four = [question["answerKey"] for question in half if len(texts(question)) == 4]
        counts = collections.Counter(four)
        assert max(counts.values()) - min(counts[letter] for letter in "ABCD") <= 2, counts
        assert len({len(texts(question)) for question in half}) == 3


def test_length_does_not_give_the_answer_away(questions):
    longest = shortest = 0.0
    for question in questions:
        lengths = [len(text) for text in texts(question)]
        right = lengths[LETTERS.index(question["answerKey"])]
        longest += (right == max(lengths)) / lengths.count(max(lengths))
        shortest += (right == min(lengths)) / lengths.count(min(lengths))
    # Guessing by length is to be right no more often than the chance of one in four would have it.
    assert longest / len(questions) < 0.35
    assert shortest / len(questions) < 0.35


def test_no_question_is_from_arc(questions, data_dir):
    """No stem shares much of its wording with one of ARC's 7,785: five word triples or more ("Which of
    these is a" alone makes three) that are two fifths of its own."""
    def triples(text):
        sequence = words(text)
        return set(zip(sequence, sequence[1:], sequence[2:]))

    index = collections.defaultdict(set)
    files = sorted((data_dir / "arc").glob("*.jsonl"))
    assert files
    for path in files:
        for line in path.read_text(encoding="utf-8").splitlines():
            other = json.loads(line)
            for triple in triples(other["question"]["stem"]):
                index[triple].add(other["id"])
    for question in questions:
        mine = triples(question["question"]["stem"])
        shared = collections.Counter(other for triple in mine for other in index[triple])
        if shared:
            other, count = shared.most_common(1)[0]
            assert count < 5 or count / len(mine) < 0.4, (question["id"], question["question"]["stem"], other)
