"""`nibble imatrix` and `quantize --imatrix`: against NumPy, read back by the gguf package, bad input."""
import json
import struct

import gguf
import numpy as np
import pytest

import tiny_model

SEQUENCES, TOKENS = 3, 20
FLAGS = ["--calibration-sequences", SEQUENCES, "--calibration-tokens", TOKENS, "--quiet"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model.write(tmp_path_factory.mktemp("imatrix") / "tiny.gguf", hidden=64, ffn=128)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("The quick brown fox jumps over the lazy dog, and the dog sleeps on.\n" * 4)
    return path


@pytest.fixture(scope="module")
def imatrix(nibble, model, text, tmp_path_factory):
    path = tmp_path_factory.mktemp("out") / "imatrix.gguf"
    nibble("imatrix", model, "-o", path, "--calibration", text, *FLAGS)
    return path


def tensors_of(path):
    return {t.name: t for t in gguf.GGUFReader(path).tensors}


def sums_of(path):
    return {n.removesuffix(".in_sum2"): np.array(t.data).reshape(-1)
            for n, t in tensors_of(path).items() if n.endswith(".in_sum2")}


def expected_first_input(model, text):
    """The sums of squares of what layer 0's attention multiplies: the normalized embeddings of the bytes."""
    tensors = tensors_of(model)
    ids = list(text.read_bytes())  # tokens are bytes, in the order of GPT-2's map
    byte_of = {c: b for b, c in enumerate(tiny_model.byte_tokens())}
    assert len(byte_of) == 256
    stride = len(ids) // SEQUENCES
    chosen = [ids[i * stride + j] for i in range(SEQUENCES) for j in range(TOKENS)]
    x = np.array(tensors["token_embd.weight"].data, np.float64).reshape(tiny_model.VOCABULARY, -1)[chosen]
    x = x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-5)
    x *= np.array(tensors["blk.0.attn_norm.weight"].data, np.float64)
    return (x**2).sum(axis=0)


def test_a_model_with_a_nan_gives_no_imatrix(nibble, model, text, tmp_path):
    damaged = bytearray(model.read_bytes())
    tensor = tensors_of(model)["blk.0.ffn_down.weight"]
    struct.pack_into("<f", damaged, tensor.data_offset, float("nan"))
    (tmp_path / "damaged.gguf").write_bytes(damaged)
    failed = nibble("imatrix", tmp_path / "damaged.gguf", "-o", tmp_path / "i.gguf", "--calibration", text, *FLAGS,
                    check=False)
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1
    assert "blk.1.attn_q.weight: the calibration gave inputs that are not finite" in failed.stderr
    assert not (tmp_path / "i.gguf").exists()


def test_the_first_layers_input_is_what_numpy_says(model, text, imatrix):
    np.testing.assert_allclose(sums_of(imatrix)["blk.0.attn_q.weight"], expected_first_input(model, text), rtol=1e-4)


def test_the_file_is_llama_cpps_form(model, text, imatrix):
    reader = gguf.GGUFReader(imatrix)
    assert reader.fields["general.type"].contents() == "imatrix"
    assert reader.fields["imatrix.datasets"].contents() == [str(text)]
    assert reader.fields["imatrix.chunk_count"].contents() == SEQUENCES
    assert reader.fields["imatrix.chunk_size"].contents() == TOKENS
    tensors = {t.name: t for t in reader.tensors}
    matrices = [t for t in gguf.GGUFReader(model).tensors if len(t.shape) == 2]
    assert set(tensors) == {m.name + end for m in matrices for end in (".in_sum2", ".counts")}
    for matrix in matrices:
        assert tensors[matrix.name + ".in_sum2"].data.size == matrix.shape[0]
        assert tensors[matrix.name + ".counts"].data.reshape(-1).tolist() == [SEQUENCES * TOKENS]
    sums = sums_of(imatrix)
    np.testing.assert_array_equal(sums["blk.1.attn_q.weight"], sums["blk.1.attn_v.weight"])
    np.testing.assert_array_equal(sums["blk.1.ffn_gate.weight"], sums["blk.1.ffn_up.weight"])


def test_both_forms_say_the_same(nibble, model, text, imatrix, tmp_path):
    old = tmp_path / "imatrix.dat"
    nibble("imatrix", model, "-o", old, "--calibration", text, *FLAGS)
    data, at, entries = old.read_bytes(), 4, {}
    for _ in range(struct.unpack_from("<i", data)[0]):
        length = struct.unpack_from("<i", data, at)[0]
        name = data[at + 4:at + 4 + length].decode()
        calls, size = struct.unpack_from("<ii", data, at + 4 + length)
        at += 12 + length
        entries[name] = np.frombuffer(data, np.float32, size, at) / calls
        at += 4 * size
    assert struct.unpack_from("<i", data, at)[0] == SEQUENCES
    for name, sums in sums_of(imatrix).items():
        np.testing.assert_allclose(entries[name], sums / (SEQUENCES * TOKENS), rtol=1e-5)
    files = []
    for form in (imatrix, old):
        out = tmp_path / "out.gguf"
        nibble("quantize", model, "-o", out, "--type", "iq4_nl", "--pure", "--imatrix", form, "--quiet")
        files.append(tensors_of(out)["blk.0.ffn_up.weight"].data.tobytes())
    assert sum(a != b for a, b in zip(*files)) < 0.01 * len(files[0])


def test_it_weights_the_error(nibble, model, imatrix, tmp_path):
    source = tensors_of(model)
    errors = {}
    for name, flags in {"plain": [], "weighted": ["--imatrix", imatrix]}.items():
        out = tmp_path / f"{name}.gguf"
        nibble("quantize", model, "-o", out, "--type", "q4_0", "--pure", "--quiet", *flags)
        written, errors[name] = tensors_of(out), 0
        for matrix, sums in sums_of(imatrix).items():
            x = np.array(source[matrix].data).reshape(-1, sums.size)
            y = gguf.quants.dequantize(written[matrix].data, written[matrix].tensor_type).reshape(x.shape)
            errors[name] += float(((x - y) ** 2 @ sums).sum())
    assert errors["weighted"] < 0.97 * errors["plain"]


def test_matrices_that_it_has_not_are_counted(nibble, model, imatrix, tmp_path):
    larger = tiny_model.write(tmp_path / "larger.gguf", hidden=64, ffn=128, layers=4)
    quantize = lambda source: nibble("quantize", source, "-o", tmp_path / "o.gguf", "--type", "q4_0", "--imatrix",
                                     imatrix, "--quiet").stdout
    assert "14 of the layers' matrices are not in" in quantize(larger)
    assert "not in" not in quantize(model)


def test_json(nibble, model, text, tmp_path):
    result = nibble("imatrix", model, "-o", tmp_path / "i.gguf", "--calibration", text, *FLAGS, "--json")
    assert json.loads(result.stdout)["tokens"] == SEQUENCES * TOKENS


def refused(nibble, model, imatrix, tmp_path):
    result = nibble("quantize", model, "-o", tmp_path / "x.gguf", "--type", "q4_0", "--imatrix", imatrix, "--quiet",
                    check=False)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert not (tmp_path / "x.gguf").exists()
    return result.stderr


def write_gguf(path, kind="imatrix", values=None, counts=True, name="blk.0.attn_q.weight"):
    writer = gguf.GGUFWriter(path, "")
    writer.add_type(kind)
    writer.add_tensor(name + ".in_sum2", (np.ones((1, 64)) if values is None else values).astype(np.float32))
    if counts:
        writer.add_tensor(name + ".counts", np.ones((1, 1), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_bad_files_say_what_is_wrong(nibble, model, tmp_path):
    bad = tmp_path / "bad"
    wrong = np.ones((1, 64))
    wrong[0, 5] = np.nan
    cases = {
        "general.type must be": write_gguf(bad.with_suffix(".1"), kind="model"),
        "channel 5": write_gguf(bad.with_suffix(".2"), values=wrong),
        "has no blk.0.attn_q.weight.counts": write_gguf(bad.with_suffix(".3"), counts=False),
        "made for another model": write_gguf(bad.with_suffix(".4"), values=np.ones((1, 96))),
        "names no tensor of this model": write_gguf(bad.with_suffix(".5"), name="blk.99.attn_q.weight"),
        "experts": write_gguf(bad.with_suffix(".6"), values=np.ones((4, 64))),
    }
    for message, path in cases.items():
        error = refused(nibble, model, path, tmp_path)
        assert message in error, error


@pytest.mark.parametrize("data, message", [
    (b"\1\0\0", "cut short"), (b"\xff" * 40, "the number of entries at offset 0 is -1"),
    (b"\0\0\0\0", "no entries"), (struct.pack("<ii", 1, 4) + b"name" + struct.pack("<ii", 1, 1000), "an entry's values")])
def test_bad_binary_files_say_where(nibble, model, tmp_path, data, message):
    path = tmp_path / "bad.dat"
    path.write_bytes(data)
    assert message in refused(nibble, model, path, tmp_path)
