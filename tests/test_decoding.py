"""Beams, penalties, grammars and speculation as a user runs them."""
import json
import re

import numpy as np
import pytest

import beam_search
import tiny_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_model.write(tmp_path_factory.mktemp("tiny") / "tiny.gguf", context=512)


def generate(nibble, model, *arguments):
    return json.loads(nibble("generate", model, *arguments, "--json", "--quiet").stdout)


def tokens(result, index=0):
    return result["outputs"][index]["tokens"]


class Model:
    """The tiny model behind the reference's beam search: rows come from `nibble logits`, one call a length."""

    def __init__(self, nibble, path, prompt, folder):
        self.nibble, self.path, self.prompt, self.folder, self.known = nibble, path, prompt, folder, {}
        self.rows = np.zeros((1, tiny_model.VOCABULARY))

    def row(self, answer):
        if answer not in self.known:
            out = self.folder / "l.npy"
            ids = ",".join(map(str, [*self.prompt, *answer]))
            self.nibble("logits", self.path, "--tokens", ids, "-o", out, "--quiet")
            self.known[answer] = beam_search.log_softmax(np.load(out)[-1].astype(np.float64))
        return self.known[answer]


@pytest.mark.parametrize("flags, params", [
    (["--num-beams", 3, "--num-return-sequences", 3], dict(num_beams=3, num_return_sequences=3)),
    (["--num-beams", 4, "--num-beam-groups", 2, "--diversity-penalty", 0.5, "--length-penalty", 0.5,
      "--num-return-sequences", 2],
     dict(num_beams=4, num_beam_groups=2, diversity_penalty=0.5, length_penalty=0.5, num_return_sequences=2)),
])
def test_beams_equal_the_reference(nibble, tiny, tmp_path, flags, params):
    prompt = [72, 101, 108]
    result = generate(nibble, tiny, "--tokens", "72,101,108", "--max-new-tokens", 5, *flags)
    wanted = beam_search.search(Model(nibble, tiny, prompt, tmp_path), [tiny_model.END], 5, params)
    assert [o["tokens"] for o in result["outputs"]] == [list(t) for t, _, _ in wanted]
    for output, (_, score, _) in zip(result["outputs"], wanted):
        np.testing.assert_allclose(output["score"], score, atol=1e-3)


def test_one_beam_is_greedy(nibble, tiny):
    base = ("-p", "abc", "--max-new-tokens", 20)
    assert tokens(generate(nibble, tiny, *base, "--num-beams", 1, "--greedy")) == tokens(
        generate(nibble, tiny, *base, "--greedy"))


def test_plain_output_of_beams(nibble, tiny):
    arguments = ("-p", "abc", "--max-new-tokens", 8, "--num-beams", 3, "--num-return-sequences", 2)
    texts = [o["text"] for o in generate(nibble, tiny, *arguments)["outputs"]]
    plain = nibble("generate", tiny, *arguments, "--quiet").stdout
    assert plain == f"[1]\n{texts[0]}\n\n[2]\n{texts[1]}\n"


def test_beams_sample_where_a_flag_shapes_it(nibble, tiny):
    arguments = ("-p", "abc", "--max-new-tokens", 12, "--num-beams", 3, "--temperature", 1.5)
    one, again, other = (generate(nibble, tiny, *arguments, "--seed", seed) for seed in (1, 1, 2))
    assert tokens(one) == tokens(again) != tokens(other)
    assert one["outputs"][0]["seed"] == 1


def test_penalties_and_bias(nibble, tiny):
    base = ("-p", "abc", "--greedy", "--max-new-tokens", 40)
    plain = tokens(generate(nibble, tiny, *base))
    assert len(set(plain)) < len(plain)
    once = tokens(generate(nibble, tiny, *base, "--frequency-penalty", 2, "--presence-penalty", 2))
    assert len(set(once)) > len(set(plain))
    banned = tokens(generate(nibble, tiny, *base, "--logit-bias", f"{plain[0]}=-100", "--logit-bias", "65=0"))
    assert plain[0] not in banned
    forced = tokens(generate(nibble, tiny, *base, "--logit-bias", "65=100"))
    assert forced == [65] * 40


@pytest.mark.parametrize("arguments, names", [
    (["--num-beams", "4", "--diversity-penalty", "1"], ["diversity_penalty", "num_beam_groups"]),
    (["--num-beams", "5", "--num-beam-groups", "2", "--diversity-penalty", "1"], ["num_beams 5", "num_beam_groups 2"]),
    (["--num-beams", "4", "--num-beam-groups", "2", "--diversity-penalty", "1", "--top-k", "5"],
     ["num_beam_groups", "random"]),
    (["--num-beams", "4", "--num-beam-groups", "2"], ["diversity_penalty is 0"]),
    (["--num-beams", "2", "--num-return-sequences", "3"], ["num_return_sequences is 3", "num_beams"]),
    (["--length-penalty", "2"], ["length_penalty", "num_beams"]),
    (["--early-stopping", "on"], ["early_stopping", "num_beams"]),
    (["--early-stopping", "later"], ["--early-stopping is later"]),
    (["--presence-penalty", "3"], ["presence_penalty is 3"]),
    (["--logit-bias", "7"], ["--logit-bias 7"]),
    (["--logit-bias", "7=200"], ["logit_bias is 200"]),
    (["--regex", "a", "--json-mode"], ["--json-mode", "--regex"]),
    (["--max-new-tokens", "99999999999"], ["too large"]),
    (["--no-speculation", "--draft-model", "x"], ["--no-speculation", "--draft-model"]),
])
def test_contradictions_are_named(nibble, tiny, arguments, names):
    result = nibble("generate", tiny, "-p", "a", *arguments, check=False)
    assert result.returncode == 2, result.stderr
    assert result.stdout == "" and result.stderr.count("\n") == 1
    for name in names:
        assert name in result.stderr


def test_a_bad_expression_is_wrong_usage_and_an_empty_one_is_one(nibble, tiny):
    result = nibble("generate", tiny, "-p", "a", "--regex", "[", "--quiet", check=False)
    assert result.returncode == 2 and result.stderr.startswith("nibble: --regex") and result.stderr.count("\n") == 1
    assert generate(nibble, tiny, "-p", "a", "--regex", "")["outputs"][0]["text"] == ""


@pytest.mark.parametrize("schema, name", [
    ({"not": {}}, "'not'"), ({"type": "string", "format": "color"}, "'color'"),
    ({"properties": {"a": {"uniqueItems": True}}}, "'uniqueItems' at '#/properties/a'")])
def test_unsupported_schemas_are_named(nibble, tiny, tmp_path, schema, name):
    (tmp_path / "s.json").write_text(json.dumps(schema))
    result = nibble("generate", tiny, "-p", "a", "--json-schema", tmp_path / "s.json", "--quiet", check=False)
    assert result.returncode == 1 and name in result.stderr and result.stderr.count("\n") == 1


def test_regular_expressions_hold_answers(nibble, tiny):
    pattern = r"(yes|no|[0-9]{3,5}), because [a-z ]{1,20}\."
    for seed in range(1, 6):
        output = generate(nibble, tiny, "-p", "a", "--regex", pattern, "--seed", seed, "--max-new-tokens", 80)["outputs"][0]
        assert re.fullmatch(pattern, output["text"]), output
        assert output["stop_reason"] == "end_of_turn"


SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 18, "maximum": 99},
        "score": {"type": "number", "minimum": -1, "exclusiveMaximum": 1},
        "tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 1, "maxItems": 3},
        "next": {"anyOf": [{"type": "null"}, {"$ref": "#"}]},
    },
    "required": ["name", "age", "tags"],
}


def check_person(value):
    assert set(value) <= set(SCHEMA["properties"]) and {"name", "age", "tags"} <= set(value)
    assert isinstance(value["name"], str) and len(value["name"]) <= 12
    assert isinstance(value["age"], int) and 18 <= value["age"] <= 99
    assert -1 <= value.get("score", 0) < 1
    assert 1 <= len(value["tags"]) <= 3 and set(value["tags"]) <= {"a", "b", "c"}
    if value.get("next") is not None:
        check_person(value["next"])


def test_json_schemas_hold_random_answers(nibble, tiny, tmp_path):
    (tmp_path / "s.json").write_text(json.dumps(SCHEMA))
    complete = 0
    for seed in range(1, 16):
        output = generate(nibble, tiny, "-p", "a", "--json-schema", tmp_path / "s.json", "--seed", seed, "--top-k", 0,
                          "--max-new-tokens", 400)["outputs"][0]
        if output["stop_reason"] == "end_of_turn":
            check_person(json.loads(output["text"]))
            complete += 1
        else:
            assert output["stop_reason"] == "max_new_tokens"
    assert complete > 5


def test_speculation_changes_no_answer(nibble, tiny):
    for flags in (["--greedy"], ["--seed", 3, "--top-k", 2]):
        base = ("-p", "one two one two one two", "--max-new-tokens", 200, *flags)
        plain, guessed = generate(nibble, tiny, *base, "--no-speculation"), generate(nibble, tiny, *base)
        assert tokens(plain) == tokens(guessed)
        assert plain["drafted_tokens"] == 0


def test_draft_models(nibble, tiny, tmp_path):
    draft = tiny_model.write(tmp_path / "draft.gguf", seed=2, context=256, layers=1)
    base = ("-p", "one two", "--max-new-tokens", 100, "--seed", 5)
    plain = generate(nibble, tiny, *base, "--no-speculation")
    guessed = generate(nibble, tiny, *base, "--draft-model", draft)
    assert tokens(plain) == tokens(guessed) and guessed["drafted_tokens"] > 0
    other = tiny_model.write(tmp_path / "other.gguf", tokenizer=False)
    same = nibble("generate", tiny, *base, "--draft-model", other, check=False)
    assert same.returncode == 0  # as many tokens, and nothing says that they are others
    missing = nibble("generate", tiny, *base, "--draft-model", tmp_path / "none.gguf", "--quiet", check=False)
    assert missing.returncode == 1 and "none.gguf" in missing.stderr


def test_real_model_writes_json(nibble, smol_model, tmp_path):
    base = ("-p", "Describe a person as JSON.", "--chat", "--greedy", "--max-new-tokens", 200)
    (tmp_path / "s.json").write_text(json.dumps(SCHEMA))
    output = generate(nibble, smol_model, *base, "--json-schema", tmp_path / "s.json")["outputs"][0]
    if output["stop_reason"] == "end_of_turn":
        check_person(json.loads(output["text"]))
    year = generate(nibble, smol_model, "-p", "In which year did World War I begin?", "--chat", "--greedy", "--regex",
                    "(19|20)[0-9]{2}")["outputs"][0]
    assert year["text"] == "1914"


def test_real_model_repeats_faster_and_the_same(nibble, smol_model):
    text = "The quick brown fox jumps over the lazy dog, and then it runs home to its seven children. "
    base = ("-p", text * 3 + "The quick brown", "--greedy", "--max-new-tokens", 60)
    plain = generate(nibble, smol_model, *base, "--no-speculation")
    guessed = generate(nibble, smol_model, *base)
    assert tokens(plain) == tokens(guessed)
    assert guessed["accepted_tokens"] > 8


def test_chat_takes_grammars_and_beams(nibble, smol_model):
    answer = nibble("chat", smol_model, "-p", "Is water wet?", "--regex", "(Yes|No)\\.", "--greedy", "--quiet").stdout
    assert answer in ("Yes.\n", "No.\n")
    beams = nibble("chat", smol_model, "-p", "Say hello.", "--num-beams", 2, "--max-new-tokens", 12, "--quiet").stdout
    assert beams.strip()
