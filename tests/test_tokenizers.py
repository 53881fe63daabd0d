"""nibble's token ids against the packages that define them: `sentencepiece` and `tokenizers`."""
import json
import os
import pathlib
import random
import resource

import pytest
import sentencepiece
import text_samples
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

LLAMA3_REGEX = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
                r"\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2_REGEX = LLAMA3_REGEX.replace("{1,3}", "")
# Mistral's Tekken: not hand-written in nibble, so that it goes through the regular expression library.
TEKKEN_REGEX = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|"
                r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


@pytest.fixture(scope="module")
def samples():
    return text_samples.samples(["<|end|>", "<|im_start|>", "<tool>", "word", " word ", "[L]", "[R]", "<x>"])


@pytest.fixture(scope="module")
def wikitext():
    """Nothing where the data is not at hand: the other samples are compared all the same."""
    root = pathlib.Path(__file__).resolve().parents[1]
    path = pathlib.Path(os.environ.get("NIBBLE_DATA", root.parent / "shared" / "data")) / "wikitext-2-raw/wiki.test.raw"
    return path.read_bytes().decode() if path.is_file() else ""


@pytest.fixture
def encode(nibble, tmp_path):
    def run(model, text, *flags):
        path = tmp_path / "text"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return json.loads(nibble("tokenize", model, "--file", path, "--json", *flags).stdout)["ids"]

    return run


def assert_same(ours, theirs, name_of):
    if ours == theirs:
        return
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    near = slice(max(0, at - 4), at + 6)
    pytest.fail(f"ids differ from {at} on: nibble {[name_of(i) for i in ours[near]]}, "
                f"reference {[name_of(i) for i in theirs[near]]}")


# SentencePiece

def train_sentencepiece(folder, **options):
    lines = folder / "lines.txt"
    lines.write_text("\n".join(text_samples.training_lines()), encoding="utf-8")
    settings = {"vocab_size": 2000, "model_type": "bpe", "byte_fallback": True, "normalization_rule_name": "identity",
                "remove_extra_whitespaces": False, "character_coverage": 0.999, "minloglevel": 2, "num_threads": 1,
                "allow_whitespace_only_pieces": True, "split_digits": True} | options
    sentencepiece.SentencePieceTrainer.train(input=str(lines), model_prefix=str(folder / "model"), **settings)
    return folder / "model.model"


SENTENCEPIECE_OPTIONS = {
    "llama2": {},
    "unknown": {"byte_fallback": False},
    "user_defined": {"user_defined_symbols": ["<tool>", "<x>", "word", "wor", "a b", "()", "é"], "control_symbols": ["[L]"]},
    "tidy_spaces": {"remove_extra_whitespaces": True, "byte_fallback": False},
    "no_prefix": {"add_dummy_prefix": False},
    "across_words": {"split_by_whitespace": False, "split_by_unicode_script": False, "split_digits": False,
                     "split_by_number": False},
}


@pytest.mark.parametrize("options", SENTENCEPIECE_OPTIONS.values(), ids=SENTENCEPIECE_OPTIONS)
def test_trained_sentencepiece(options, encode, samples, wikitext, tmp_path):
    model = train_sentencepiece(tmp_path, **options)
    reference = sentencepiece.SentencePieceProcessor(model_file=str(model))
    text = samples + wikitext[:200000] + text_samples.every_code_point(assigned_planes=True)
    assert_same(encode(model, text, "--no-special"), reference.encode(text), reference.id_to_piece)
    for short in ["", " ", "  ", "a", " a", "▁", "\n", "a  ", "  a  b  "]:
        assert encode(model, short, "--no-special") == reference.encode(short), repr(short)


def test_llama2_sentencepiece(encode, samples, wikitext, data_dir):
    model = data_dir / "llama2-tokenizer" / "tokenizer.model"
    if not model.is_file():
        pytest.skip(f"{model} is not there")
    reference = sentencepiece.SentencePieceProcessor(model_file=str(model))
    text = wikitext + samples + text_samples.every_code_point()
    assert_same(encode(model, text), [reference.bos_id(), *reference.encode(text)], reference.id_to_piece)


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def mark_unused(model, chosen):
    """The model with some of its normal pieces made unused: each piece is field 1 of the message."""
    data, out, at, index = model.read_bytes(), bytearray(), 0, 0
    while at < len(data) and data[at] == 0x0A:
        size, begin = varint(data, at + 1)
        piece = data[begin:begin + size]
        if index in chosen:
            piece += b"\x18\x05"
        out += b"\x0a" + bytes([len(piece)]) + piece
        at, index = begin + size, index + 1
    path = model.with_name("unused.model")
    path.write_bytes(bytes(out) + data[at:])
    return path


def test_unused_pieces(encode, samples, tmp_path):
    model = train_sentencepiece(tmp_path)
    names = sentencepiece.SentencePieceProcessor(model_file=str(model))
    # A piece of two characters comes about in one way only, so that it is clear what it is taken apart to.
    pairs = [i for i in range(259, names.get_piece_size()) if len(names.id_to_piece(i)) == 2]
    model = mark_unused(model, set(random.Random(3).sample(pairs, 40)))
    reference = sentencepiece.SentencePieceProcessor(model_file=str(model))
    assert sum(map(reference.is_unused, range(reference.get_piece_size()))) == 40
    text = "\n".join(text_samples.training_lines()) + samples
    assert_same(encode(model, text, "--no-special"), reference.encode(text), reference.id_to_piece)


def test_sentencepiece_that_is_not_read(nibble, tmp_path):
    for options, message in [({"model_type": "unigram", "byte_fallback": False}, "unigram"),
                             ({"normalization_rule_name": "nmt_nfkc"}, "nmt_nfkc"),
                             ({"treat_whitespace_as_suffix": True}, "treat_whitespace_as_suffix")]:
        model = train_sentencepiece(tmp_path, hard_vocab_limit=False, **options)
        result = nibble("tokenize", model, "--text", "a", check=False)
        assert result.returncode == 1 and message in result.stderr and result.stderr.count("\n") == 1
    data = model.read_bytes()
    for size in (1, 10, 1000, len(data) // 2):
        (tmp_path / "cut.model").write_bytes(data[:size])
        assert nibble("tokenize", tmp_path / "cut.model", "--text", "a", check=False).returncode == 1


# tokenizer.json

def pre_tokenizer(name):
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)

    def split(regex):
        return pre_tokenizers.Sequence([pre_tokenizers.Split(tokenizers.Regex(regex), "isolated"), byte_level])

    return {"gpt-2": gpt2, "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), gpt2]),
            "llama-bpe": split(LLAMA3_REGEX), "qwen2": split(QWEN2_REGEX), "tekken": split(TEKKEN_REGEX)}[name]


def train_byte_level(name, wikitext):
    tokenizer = tokenizers.Tokenizer(models.BPE(ignore_merges=name in ("llama-bpe", "tekken")))
    if name == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizer(name)
    tokenizer.decoder = decoders.ByteLevel()
    lines = text_samples.training_lines() + wikitext[:300000].splitlines(keepends=True)
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=5000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
        special_tokens=["<|begin|>", "<|end|>", "<|im_start|>"]))
    added = tokenizers.AddedToken
    tokenizer.add_tokens(["<tool>", added("word", single_word=True), added("[L]", lstrip=True),
                          added("[R]", rstrip=True, normalized=False), "\u212b<x>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A <|end|>", special_tokens=[("<|begin|>", tokenizer.token_to_id("<|begin|>")),
                                                       ("<|end|>", tokenizer.token_to_id("<|end|>"))])
    return tokenizer


@pytest.mark.parametrize("name", ["gpt-2", "smollm", "llama-bpe", "qwen2"])
def test_byte_level(name, encode, samples, wikitext, tmp_path):
    reference = train_byte_level(name, wikitext)
    model = tmp_path / "tokenizer.json"
    reference.save(str(model))
    text = samples + wikitext + text_samples.every_code_point(assigned_planes=True)
    assert_same(encode(model, text, "--parse-special"), reference.encode(text).ids, reference.id_to_token)
    reference.encode_special_tokens = True
    assert_same(encode(model, samples, "--no-special"), reference.encode(samples, add_special_tokens=False).ids,
                reference.id_to_token)


def test_unnamed_pre_tokenizer(encode, wikitext, tmp_path):
    """An expression that nibble has no scanner for; the library's Unicode version may lag behind."""
    reference = train_byte_level("tekken", wikitext)
    model = tmp_path / "tokenizer.json"
    reference.save(str(model))
    text = text_samples.LANGUAGES + text_samples.CODE + text_samples.mixed() + text_samples.whitespace() + wikitext
    assert_same(encode(model, text, "--parse-special"), reference.encode(text).ids, reference.id_to_token)


def test_smollm2_from_gguf(encode, samples, wikitext, smol_model):
    from gguf import GGUFReader

    fields = GGUFReader(smol_model).fields
    tokens, merges, types = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "merges", "token_type"))
    vocab = {token: i for i, token in enumerate(tokens)}
    reference = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=[tuple(m.split(" ")) for m in merges]))
    reference.pre_tokenizer = pre_tokenizer("smollm")
    reference.add_special_tokens([token for token, kind in zip(tokens, types) if kind == 3])
    text = wikitext + samples + text_samples.every_code_point()
    assert_same(encode(smol_model, text, "--parse-special"), reference.encode(text).ids, reference.id_to_token)


def sentencepiece_as_json(model):
    """The model's vocabulary and merges as transformers converts them: pairs by the merged piece's rank."""
    names = sentencepiece.SentencePieceProcessor(model_file=str(model))
    vocab = {names.id_to_piece(i): i for i in range(names.get_piece_size())}
    merges = []
    for piece, rank in vocab.items():
        if names.is_control(rank) or names.is_byte(rank) or names.is_unknown(rank):
            continue
        pairs = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
        merges += sorted(((vocab[a], vocab[b]), rank, (a, b)) for a, b in pairs if a in vocab and b in vocab)
    merges.sort(key=lambda merge: merge[1])
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=[pair for _, _, pair in merges], unk_token="<unk>",
                                                fuse_unk=True, byte_fallback=True))
    added = tokenizers.AddedToken
    tokenizer.add_special_tokens([added(t, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    tokenizer.add_tokens([added("<tool>", normalized=False), "<x>", added("[R]", rstrip=True, normalized=False)])
    return tokenizer


SPACES = {
    "normalizer": (normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None),
    "no_prefix": (normalizers.Replace(" ", "▁"), None),
    "first": (None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False)),
    "always": (None, pre_tokenizers.Metaspace(prepend_scheme="always", split=False)),
    "never": (None, pre_tokenizers.Metaspace(prepend_scheme="never", split=False)),
    "split": (None, pre_tokenizers.Metaspace(prepend_scheme="always", split=True)),
}


@pytest.mark.parametrize("spaces", SPACES.values(), ids=SPACES)
def test_llama2_style_json(spaces, encode, samples, tmp_path):
    reference = sentencepiece_as_json(train_sentencepiece(tmp_path))
    if spaces[0]:
        reference.normalizer = spaces[0]
    if spaces[1]:
        reference.pre_tokenizer = spaces[1]
    reference.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    model = tmp_path / "tokenizer.json"
    reference.save(str(model))
    text = "\n".join(text_samples.training_lines(count=500)) + samples
    assert_same(encode(model, text, "--parse-special"), reference.encode(text).ids, reference.id_to_token)


def test_json_that_is_not_read(nibble, tmp_path):
    good = json.loads(train_byte_level("gpt-2", "").to_str())
    model = tmp_path / "tokenizer.json"
    for key, value, message in [
            ("normalizer", {"type": "Lowercase"}, "Lowercase"),
            ("pre_tokenizer", {"type": "BertPreTokenizer"}, "BertPreTokenizer"),
            ("model", {"type": "Unigram", "vocab": []}, "Unigram"),
            ("model", {"type": "BPE"}, "vocab"),
            ("model", good["model"] | {"merges": ["a"]}, "merge 0"),
            ("model", good["model"] | {"merges": ["a zzz"]}, "merge 0"),
            ("model", good["model"] | {"vocab": {"a": 10**12}}, "impossible id")]:
        model.write_text(json.dumps(good | {key: value}), encoding="utf-8")
        result = nibble("tokenize", model, "--text", "a", check=False)
        assert result.returncode == 1 and message in result.stderr and result.stderr.count("\n") == 1, result.stderr


# Speed

def test_long_runs(encode, tmp_path):
    """A quadratic algorithm would take hours for these."""
    sentencepiece_model = train_sentencepiece(tmp_path, vocab_size=1500)
    byte_level = tmp_path / "tokenizer.json"
    train_byte_level("llama-bpe", "").save(str(byte_level))
    for text in ["a" * 1000000, " " * 1000000, "ab" * 500000, "\n" * 1000000, "é" * 500000]:
        for model in (sentencepiece_model, byte_level):
            assert len(encode(model, text, "--no-special")) <= len(text.encode()) + 1


def test_speed(nibble, data_dir, smol_model, tmp_path):
    """At least 5 MB/s on one core, start included, in processor time: other work on the machine does not count."""
    text = (data_dir / "wikitext-2-raw" / "wiki.test.raw").read_bytes() * 4
    path = tmp_path / "text"
    path.write_bytes(text)
    for model in (data_dir / "llama2-tokenizer" / "tokenizer.model", smol_model):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        nibble("tokenize", model, "--file", path, "--json")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        assert len(text) / seconds > 5e6, f"{model}: {len(text) / seconds / 1e6:.1f} MB/s"
