"""nibble generate: output, flags, errors and exit status, on a tiny model and on the real one."""
import json
import subprocess

import pytest
import tiny_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_model.write(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    return tiny_model.write(tmp_path_factory.mktemp("bare") / "bare.gguf", tokenizer=False)


def outputs(nibble, *arguments):
    return json.loads(nibble("generate", *arguments, "--json").stdout)


def test_json(nibble, tiny):
    result = outputs(nibble, tiny, "-p", "hello", "--greedy", "--max-new-tokens", 5)
    assert result["prompt_tokens"] == 5
    assert len(result["outputs"]) == 1
    output = result["outputs"][0]
    assert 1 <= len(output["tokens"]) <= 5
    assert isinstance(output["text"], str)
    assert output["stop_reason"] in ("max_new_tokens", "end_of_turn")
    assert result["peak_rss_bytes"] > 0


def test_tokens_equal_their_text(nibble, tiny):
    from_text = outputs(nibble, tiny, "-p", "AB", "--greedy", "--max-new-tokens", 8)
    from_ids = outputs(nibble, tiny, "--tokens", "65,66", "--greedy", "--max-new-tokens", 8)
    for key in ("tokens", "text"):
        assert from_text["outputs"][0][key] == from_ids["outputs"][0][key]


def test_plain_output_is_the_text(nibble, tiny):
    arguments = ("-p", "hello", "--seed", 4, "--max-new-tokens", 20)
    plain = nibble("generate", tiny, *arguments)
    assert plain.stdout == outputs(nibble, tiny, *arguments)["outputs"][0]["text"] + "\n"
    assert "tokens/s" in plain.stderr
    assert nibble("generate", tiny, *arguments, "--quiet").stderr == ""


def test_file_and_standard_input(nibble, tiny, tmp_path):
    (tmp_path / "prompt.txt").write_text("hello", encoding="utf-8")
    wanted = outputs(nibble, tiny, "-p", "hello", "--greedy", "--max-new-tokens", 6)["outputs"][0]["tokens"]
    for file, stdin in ((tmp_path / "prompt.txt", None), ("-", "hello")):
        result = nibble("generate", tiny, "--file", file, "--greedy", "--max-new-tokens", 6, "--json", input=stdin)
        assert json.loads(result.stdout)["outputs"][0]["tokens"] == wanted


def test_without_tokenizer_ids_go_in_and_out(nibble, bare):
    plain = nibble("generate", bare, "--tokens", "1,2,3", "--greedy", "--max-new-tokens", 4).stdout.strip()
    ids = [int(x) for x in plain.split(",")]
    assert ids == outputs(nibble, bare, "--tokens", "1,2,3", "--greedy", "--max-new-tokens", 4)["outputs"][0]["tokens"]
    result = nibble("generate", bare, "-p", "text", check=False)
    assert result.returncode == 1 and "--tokens" in result.stderr and result.stderr.count("\n") <= 2


def test_seeds_repeat_and_follow_each_other(nibble, tiny):
    three = outputs(nibble, tiny, "-p", "a", "--seed", 7, "--num-return-sequences", 3, "--max-new-tokens", 12)["outputs"]
    assert [o["seed"] for o in three] == [7, 8, 9]
    assert len({tuple(o["tokens"]) for o in three}) == 3
    for output in three:
        again = outputs(nibble, tiny, "-p", "a", "--seed", output["seed"], "--max-new-tokens", 12)["outputs"][0]
        assert again["tokens"] == output["tokens"]


def test_a_random_seed_is_told(nibble, tiny):
    first = outputs(nibble, tiny, "-p", "a", "--max-new-tokens", 12)["outputs"][0]
    again = outputs(nibble, tiny, "-p", "a", "--max-new-tokens", 12, "--seed", first["seed"])["outputs"][0]
    assert again["tokens"] == first["tokens"]


def test_threads_do_not_change_the_output(nibble, tiny):
    one, two = (outputs(nibble, tiny, "-p", "threads", "--seed", 3, "--threads", n)["outputs"][0]["tokens"]
                for n in (1, 2))
    assert one == two


def test_top_k_1_is_greedy(nibble, tiny):
    greedy = outputs(nibble, tiny, "-p", "abc", "--greedy", "--max-new-tokens", 16)["outputs"][0]["tokens"]
    sampled = outputs(nibble, tiny, "-p", "abc", "--top-k", 1, "--max-new-tokens", 16)["outputs"][0]["tokens"]
    assert greedy == sampled


def test_repetition_penalty_leaves_no_repetition(nibble, tiny):
    tokens = outputs(nibble, tiny, "-p", "abc", "--greedy", "--repetition-penalty", 1e6,
                     "--max-new-tokens", 40)["outputs"][0]["tokens"]
    assert len(set(tokens)) == len(tokens)


def test_context_full(nibble, tiny):
    result = outputs(nibble, tiny, "-p", "x" * 20, "--greedy", "--context", 24, "--kv-type", "f32")
    assert result["outputs"][0]["stop_reason"] in ("context_full", "end_of_turn")
    assert result["prompt_tokens"] + len(result["outputs"][0]["tokens"]) <= 24
    too_long = nibble("generate", tiny, "-p", "x" * 24, "--context", 24, check=False)
    assert too_long.returncode == 1
    assert "24" in too_long.stderr and "24" in too_long.stderr and "--context" in too_long.stderr


@pytest.mark.parametrize("arguments, names", [
    (["-p", "a", "--temperature", "0"], ["temperature is 0"]),
    (["-p", "a", "--top-k", "-1"], ["top_k is -1"]),
    (["-p", "a", "--top-p", "1.5"], ["top_p is 1.5"]),
    (["-p", "a", "--min-p", "2"], ["min_p is 2"]),
    (["-p", "a", "--typical-p", "0"], ["typical_p is 0"]),
    (["-p", "a", "--epsilon-cutoff", "1"], ["epsilon_cutoff is 1"]),
    (["-p", "a", "--eta-cutoff", "-0.5"], ["eta_cutoff is -0.5"]),
    (["-p", "a", "--repetition-penalty", "0"], ["repetition_penalty is 0"]),
    (["-p", "a", "--max-new-tokens", "0"], ["max_new_tokens is 0"]),
    (["-p", "a", "--greedy", "--temperature", "0.5"], ["--greedy", "--temperature"]),
    (["-p", "a", "--greedy", "--top-k", "5"], ["--greedy", "--top-k"]),
    (["-p", "a", "--greedy", "--num-return-sequences", "2"], ["--greedy", "--num-return-sequences"]),
    (["--tokens", "1", "--chat"], ["--chat", "--tokens"]),
    (["-p", "a", "--chat", "--raw"], ["--chat", "--raw"]),
    (["-p", "a", "--kv-type", "f8"], ["--kv-type"]),
    (["--tokens", ""], ["--tokens"]),
    (["-p", "a", "--stop", ""], ["--stop"]),
    (["--tokens", "1,x"], ["--tokens 1,x"]),
    (["-p", "a", "--tokens", "1"], ["--tokens"]),
    ([], ["--prompt"]),
])
def test_wrong_usage(nibble, tiny, arguments, names):
    result = nibble("generate", tiny, *arguments, check=False)
    assert result.returncode == 2, result.stderr
    assert result.stdout == "" and result.stderr.count("\n") == 1
    for name in names:
        assert name in result.stderr


def test_bad_input_is_one_line(nibble, tiny, tmp_path):
    (tmp_path / "bad.gguf").write_bytes(b"not a model")
    for arguments in ((tmp_path / "bad.gguf", "-p", "a"), (tmp_path / "none.gguf", "-p", "a"),
                      (tiny, "--file", tmp_path / "none.txt"), (tiny, "--tokens", "99999")):
        result = nibble("generate", *arguments, "--quiet", check=False)
        assert result.returncode == 1 and result.stderr.count("\n") == 1, result.stderr
    result = nibble("generate", tiny, "-p", "a", "--context", "1000000", "--quiet", check=False)
    assert result.returncode == 2 and "--context" in result.stderr and result.stderr.count("\n") == 1


def test_outputs_that_cannot_be_written_are_told_before_the_work(nibble, tiny, tmp_path):
    before = tiny.read_bytes()
    for arguments in (("logits", tiny, "--tokens", "1,2", "-o", tiny), ("bench", tiny, "--json", tiny),
                      ("logits", tiny, "--tokens", "1,2", "-o", tmp_path / "none" / "l.npy"),
                      ("eval", tiny, "--perplexity", tiny, "--json", tmp_path)):
        result = nibble(*arguments, "--quiet", check=False)
        assert result.returncode == 2 and result.stderr.count("\n") == 1, result.stderr
    assert tiny.read_bytes() == before
    result = nibble("eval", tiny, "--arc", "--perplexity", tmp_path / "none.txt", check=False)
    assert result.returncode == 1 and "none.txt" in result.stderr and result.stdout == ""


@pytest.mark.parametrize("arguments, message", [
    (("inspec",), "there is no command 'inspec'"), (("--bogus",), "--bogus"),
    (("generate", "MODEL", "-p", "a", "--kv-type", "q8"), "q8 not in {f32,f16,q8_0,q4_0,int8,int4,q8_0_unrotated,q4_0_unrotated}"),
    (("inspect", "MODEL", "--context", "0"), "--context: Value 0 not in range 1 to 1073741824"),
    (("generate", "MODEL", "-p", "a", "--seed", "-1"), "--seed is '-1', but must be a whole number, not negative"),
    (("generate", "MODEL", "-p", "a", "--top-k", "x"), "--top-k is 'x', but must be a whole number"),
    (("eval", "MODEL", "--perplexity", "MODEL", "--limit", "3"), "--limit requires --arc"),
    (("eval", "MODEL", "--arc", "--limit", "0"), "--limit: Value 0 not in range"),
    (("eval", "MODEL", "--arc", "--limit", "-3"), "--limit"),
    (("eval", "MODEL", "--arc", "--seed", "3"), "--seed requires --limit"),
    (("eval", "MODEL", "--arc", "--limit", "3", "--seed", "-1"), "'-1' is not a whole number"),
    (("eval", "MODEL", "--arc", "--chunks", "3"), "--chunks divides a text"),
    (("eval", "MODEL", "--arc", "--stride", "3"), "--stride divides a text"),
    (("eval", "MODEL", "--perplexity", "MODEL", "--chunks", "0"), "--chunks: Value 0 not in range"),
    (("compare", "MODEL", "--limit", "-1"), "--limit"), (("compare", "MODEL", "--seed", "-1"), "'-1' is not a whole"),
    (("compare", "MODEL", "--prompt", "4096"), "its context is 128 tokens"),
    (("bench", "MODEL", "--prompt", "0", "--generate", "0"), "nothing to measure"),
    (("bench", "MODEL", "--prompt", "4096"), "its context is 128 tokens"),
    (("synth", "--shape", "llama2-7b", "--type", "q4_0", "-o", "x.gguf", "--group", "0"), "--group: Value 0"),
    (("synth", "--shape", "llama2-7b", "--type", "q4_0", "-o", "x.gguf", "--seed", "-1"), "'-1' is not a whole"),
    (("quantize", "MODEL", "-o", "x.gguf", "--type", "q8_0", "--pure", "--output-tensor-type", "q6_k"), "--pure"),
    (("logits", "MODEL", "--tokens", "1", "-o", "x.npy", "--context", "4096"), "more than the model's 128"),
    (("eval", "MODEL", "--perplexity", "MODEL", "--context", "4096"), "more than the model's")])
def test_wrong_usage_is_named(nibble, tiny, arguments, message):
    quiet = [] if arguments[0].startswith("-") or len(arguments) == 1 else ["--quiet"]
    result = nibble(*(tiny if a == "MODEL" else a for a in arguments), *quiet, check=False)
    assert result.returncode == 2 and message in result.stderr and result.stderr.count("\n") == 1, result.stderr


@pytest.mark.parametrize("arguments", [
    ("chat", "MODEL", "-p", "a"), ("generate", "MODEL", "-p", "a"), ("eval", "MODEL", "--arc"),
    ("tokenize", "MODEL", "--text", "a"), ("logits", "MODEL", "--prompt", "a", "-o", "x.npy")])
def test_a_model_without_tokenizer_is_named_before_its_weights_are_read(nibble, bare, arguments):
    result = nibble(*(bare if a == "MODEL" else a for a in arguments), check=False)
    assert result.returncode == 1 and "no tokenizer in it" in result.stderr and result.stderr.count("\n") == 1


def test_stop_strings_need_a_tokenizer(nibble, bare):
    result = nibble("generate", bare, "--tokens", "1", "--stop", "x", "--quiet", check=False)
    assert result.returncode == 2 and "--stop" in result.stderr


def test_more_tokens_than_the_context_are_never_cut(nibble, tiny, tmp_path):
    ids = ",".join("1" for _ in range(129))
    for arguments in (("generate", tiny, "--tokens", ids), ("logits", tiny, "--tokens", ids, "-o", tmp_path / "x.npy")):
        result = nibble(*arguments, "--quiet", check=False)
        assert result.returncode == 1 and "129 tokens" in result.stderr and "128" in result.stderr
    assert not (tmp_path / "x.npy").exists()


def test_greedy_output_has_no_seed(nibble, tiny):
    assert outputs(nibble, tiny, "-p", "a", "--greedy", "--max-new-tokens", 2)["outputs"][0]["seed"] is None


def test_a_full_disk_behind_stdout_is_a_failure(nibble_bin, tiny):
    with open("/dev/full", "w") as full:
        result = subprocess.run([nibble_bin, "inspect", tiny], stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1 and "standard output" in result.stderr


def test_stop_string(nibble, tiny):
    base = ("-p", "hello", "--seed", 2, "--max-new-tokens", 60)
    text = outputs(nibble, tiny, *base)["outputs"][0]["text"]
    printable = next((text[i:i + 2] for i in range(5, len(text) - 2) if text[i:i + 2].isascii()
                      and text[i:i + 2].isprintable() and "-" not in text[i:i + 2]), None)
    if printable is None:
        pytest.skip("this text has no place for a stop string")
    stopped = outputs(nibble, tiny, *base, "--stop", printable)["outputs"][0]
    assert stopped["text"] == text[:text.index(printable)]
    assert stopped["stop_reason"] == "stop_string"


def test_real_model_continues_and_chats(nibble, smol_model):
    raw = outputs(nibble, smol_model, "-p", "The capital of France is", "--greedy", "--max-new-tokens", 4)
    assert raw["outputs"][0]["text"].startswith(" Paris")
    chat = outputs(nibble, smol_model, "-p", "hi there", "--chat", "--greedy", "--max-new-tokens", 30)["outputs"][0]
    assert chat["text"].startswith("Hello")
    assert chat["stop_reason"] == "end_of_turn"


def test_real_model_stop_string(nibble, smol_model):
    arguments = ("-p", "Count: one, two, three, four,", "--greedy", "--max-new-tokens", 20)
    text = outputs(nibble, smol_model, *arguments)["outputs"][0]["text"]
    assert " six" in text
    stopped = nibble("generate", smol_model, *arguments, "--stop", " six", "--quiet").stdout
    assert stopped == text[:text.index(" six")] + "\n"
