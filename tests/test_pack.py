"""nibble pack and the memory plan: the packed file is used, ignored when it does not fit, and inspect's plan is
what a run takes."""
import json
import os
import shutil

import pytest
import tiny_model

CONTEXT = 512


@pytest.fixture()
def model(tmp_path):
    return tiny_model.write(tmp_path / "tiny.gguf")


@pytest.fixture(scope="module")
def middle(nibble, tmp_path_factory):
    """SmolLM2's shape, with random weights."""
    path = tmp_path_factory.mktemp("middle") / "middle.gguf"
    nibble("synth", "--shape", "smollm2-135m", "--type", "q4_0", "-o", path)
    return path


def generate(nibble, model, **options):
    return nibble("generate", model, "--tokens", "1,2,3", "--greedy", "--max-new-tokens", 8, "--json", **options)


def tokens(result):
    return json.loads(result.stdout)["outputs"][0]["tokens"]


def test_a_packed_file_gives_the_same_tokens(nibble, model):
    wanted = tokens(generate(nibble, model))
    packed = json.loads(nibble("pack", model, "--json").stdout)
    assert packed == {"output": f"{model}.packed", "file_bytes": os.path.getsize(f"{model}.packed")}
    result = generate(nibble, model)
    assert tokens(result) == wanted
    assert "Mapping tiny.gguf.packed" in result.stderr and "Loading" not in result.stderr
    assert sorted(os.listdir(model.parent)) == ["tiny.gguf", "tiny.gguf.packed"]


def test_an_older_packed_file_is_named_and_not_used(nibble, model):
    wanted = tokens(generate(nibble, model))
    nibble("pack", model)
    os.utime(model)
    result = generate(nibble, model)
    assert tokens(result) == wanted
    assert f"tiny.gguf.packed was made of another model file: packing again; 'nibble pack {model}'" in result.stderr
    assert "Loading tiny.gguf" in result.stderr
    nibble("pack", model)
    assert "Mapping" in generate(nibble, model).stderr


def test_kernels_without_packing_use_no_file(nibble, model):
    nibble("pack", model)
    scalar = dict(os.environ, NIBBLE_ISA="scalar")
    assert "packed" not in generate(nibble, model, env=scalar).stderr
    result = nibble("pack", model, env=scalar, check=False)
    assert result.returncode == 1 and "nothing to pack" in result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_may_not_be_written(nibble, model):
    model.parent.chmod(0o555)
    result = nibble("pack", model, check=False)
    model.parent.chmod(0o755)
    assert result.returncode == 1 and "cannot write" in result.stderr


@pytest.mark.parametrize("mapped", [False, True], ids=["packed at load", "mapped"])
def test_the_plan_is_what_a_run_takes(nibble, middle, tmp_path, mapped):
    model = shutil.copy2(middle, tmp_path / "middle.gguf")
    if mapped:
        nibble("pack", model)
    plan = json.loads(nibble("inspect", model, "--context", CONTEXT, "--json").stdout)["memory"]
    prompt = ",".join(str(i * 37 % 30000) for i in range(CONTEXT - 2))
    result = nibble("generate", model, "--tokens", prompt, "--max-new-tokens", 2, "--context", CONTEXT, "--json")
    assert json.loads(result.stdout)["peak_rss_bytes"] == pytest.approx(plan["total"], rel=0.05)
