"""`nibble optimize`: bounds, steps, the file with its recipe and figures, and `quantize --recipe`."""
import json
import random
import shutil

import gguf
import pytest

import tiny_model

WORDS = "one two three four five six seven eight nine ten the of and to in a is that it was for on are as with".split()
SMALL = ["--calibration-sequences", 6, "--calibration-tokens", 24, "--quiet"]


def words(seed, count):
    picks = random.Random(seed)
    return " ".join(picks.choice(WORDS) for _ in range(count))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model.write(tmp_path_factory.mktemp("optimize") / "tiny.gguf", hidden=64, ffn=256, layers=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    (folder / "calibration.txt").write_text(words(1, 3000))
    (folder / "held_out.txt").write_text(words(2, 3000))
    questions = [{"id": str(i), "answerKey": "A", "question": {"stem": words(i, 5), "choices": [
        {"label": label, "text": words(f"{i}{label}", 2)} for label in "ABC"]}} for i in range(6)]
    (folder / "arc.jsonl").write_text("".join(json.dumps(q) + "\n" for q in questions))
    return folder


@pytest.fixture
def optimize(nibble, model, data, tmp_path):
    def run(*flags, out="out.gguf", model=model, **options):
        return nibble("optimize", model, "-o", tmp_path / out, "--calibration", data / "calibration.txt", "--text",
                      data / "held_out.txt", "--arc", data / "arc.jsonl", "--chunks", 2, *SMALL, *flags, **options)
    return run


def tensors(path):
    return {t.name: (t.tensor_type, t.data.tobytes()) for t in gguf.GGUFReader(path).tensors}


def test_a_size_bound_gives_a_file_a_report_and_a_recipe_that_repeats_it(nibble, model, optimize, data, tmp_path):
    bound = model.stat().st_size // 3
    result = json.loads(optimize("--max-size", bound, "--types", "standard", "--report", tmp_path / "report",
                                 "--json").stdout)
    out = tmp_path / "out.gguf"
    assert out.stat().st_size <= bound
    step = result["steps"][result["picked"]]
    assert step["broken"] is None and step["file_bytes"] == out.stat().st_size
    assert 0 <= step["kld"] < 1 and step["arc"]["questions"] == 6 and step["tokens_per_s"] > 0
    fields = gguf.GGUFReader(out).fields
    assert fields["nibble.optimize.kld"].contents() == pytest.approx(step["kld"])
    assert json.loads(fields["nibble.optimize.recipe"].contents()) == result["recipe"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.gguf", "report"]
    page = (tmp_path / "report" / "report.html").read_text()
    assert "picked" in page and "Sensitivity" in page and "recipe.json" in page and "http" not in page

    again = tmp_path / "again.gguf"
    nibble("quantize", model, "-o", again, "--recipe", tmp_path / "report" / "recipe.json", "--quiet")
    assert tensors(again) == tensors(out)
    shown = nibble("inspect", out).stdout
    assert "nibble.optimize.kld" in shown


def test_the_front_falls_and_other_bounds_take_an_earlier_analysis(optimize, model, tmp_path):
    optimize("--max-size", model.stat().st_size // 3, "--report", tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    sizes, losses = zip(*report["front"])
    assert list(sizes) == sorted(set(sizes)) and list(losses) == sorted(losses, reverse=True)
    second = json.loads(optimize("--max-size", model.stat().st_size // 2, "--analysis",
                                 tmp_path / "report" / "analysis.json", "--json", out="second.gguf").stdout)
    assert second["front"] == report["front"]
    assert second["steps"][-1]["file_bytes"] > report["steps"][-1]["file_bytes"]
    assert second["steps"][-1]["kld"] < report["steps"][-1]["kld"]


def test_bounds_that_nothing_meets_keep_the_analysis(optimize, tmp_path):
    failed = optimize("--max-size", "1kB", "--report", tmp_path / "report", check=False)
    assert failed.returncode == 1 and [p.name for p in (tmp_path / "report").iterdir()] == ["analysis.json"]
    optimize("--max-size", "300kB", "--analysis", tmp_path / "report" / "analysis.json")


@pytest.mark.parametrize("metric, bound", [("kld", "0.02"), ("ppl", "2%")])
def test_a_loss_bound_is_kept_with_its_confidence(optimize, metric, bound):
    result = json.loads(optimize("--metric", metric, "--max-loss", bound, "--json").stdout)
    step = result["steps"][result["picked"]]
    if metric == "kld":
        assert step["kld"] + 1.64 * step["kld_stderr"] <= 0.02
    else:
        assert step["perplexity_loss_95"] <= 0.02
    # No step that keeps to the bound is smaller than the one that was picked.
    kept = [s["file_bytes"] for s in result["steps"] if s["broken"] is None]
    assert step["file_bytes"] == min(kept)


def test_a_plan_that_comes_again_ends_the_search_with_its_proof(optimize):
    """So loose a bound that the first plan is the smallest there is."""
    result = json.loads(optimize("--max-loss", "1000%", "--json").stdout)
    assert len(result["steps"]) == 1 and result["steps"][0]["arc"]["questions"] == 6


@pytest.mark.parametrize("flags, told", [
    (["--max-size", "-5"], "--max-size -5: write a size"), (["--max-memory", "-1GB"], "--max-memory -1GB"),
    (["--max-size", "4XB"], "4XB"), (["--max-size", "1MB", "--context", 99999], "--context 99999"),
    (["--max-size", "1MB", "-o", "/dev/full"], "not a regular file"), (["--min-speed", 0], "--min-speed"),
    (["--min-speed", "nan"], "--min-speed"),
])
def test_wrong_bounds_are_told_before_the_work(nibble, model, data, tmp_path, flags, told):
    output = [] if "-o" in flags else ["-o", tmp_path / "out.gguf"]
    failed = nibble("optimize", model, *output, "--calibration", data / "calibration.txt", *flags, check=False)
    assert failed.returncode == 2 and told in failed.stderr and list(tmp_path.iterdir()) == []


def test_sizes_have_decimals(optimize):
    assert json.loads(optimize("--max-size", "0.3MB", "--json").stdout)["bounds"]["max_size"] == 300_000


def test_text_that_is_too_short_is_told(nibble, model, data, tmp_path, monkeypatch):
    monkeypatch.setenv("NIBBLE_DATA", str(tmp_path))
    (tmp_path / "short.txt").write_text("one two three")
    run = lambda *flags: nibble("optimize", model, "-o", tmp_path / "out.gguf", "--calibration", data / "calibration.txt",
                                "--max-size", "1MB", *flags, check=False)
    failed = run("--text", tmp_path / "short.txt")
    assert failed.returncode == 1 and "short.txt" in failed.stderr and "longer" in failed.stderr
    # Half of each sequence that calibration leaves out is scored: of two tokens nothing would be.
    failed = run("--calibration-tokens", 2)
    assert failed.returncode == 2 and "--calibration-tokens 2" in failed.stderr


def test_without_a_bound_the_perplexity_stays_within_one_percent(optimize):
    result = json.loads(optimize("--json").stdout)
    assert result["bounds"] == {"metric": "ppl", "max_loss": 0.01}


def test_text_that_calibration_leaves_out_is_named(nibble, model, data, tmp_path, monkeypatch):
    monkeypatch.setenv("NIBBLE_DATA", str(tmp_path))
    result = json.loads(nibble("optimize", model, "-o", tmp_path / "out.gguf", "--calibration", data / "calibration.txt",
                               "--arc", data / "arc.jsonl", "--chunks", 2, "--max-size", "1MB", *SMALL, "--json").stdout)
    assert "2 sequences of" in result["text"] and "calibration.txt" in result["text"]


def test_the_memory_bound_counts_the_cache(optimize, nibble, model, tmp_path):
    plan = json.loads(nibble("inspect", model, "--context", 64, "--json").stdout)["memory"]
    bound = plan["total"] - plan["weights"] // 4
    result = json.loads(optimize("--max-memory", bound, "--context", 64, "--json").stdout)
    assert result["steps"][result["picked"]]["memory_bytes"] <= bound
    assert json.loads(nibble("inspect", tmp_path / "out.gguf", "--context", 64, "--json").stdout)["memory"]["total"] <= bound


@pytest.mark.parametrize("flags, told", [
    (["--max-size", "1kB"], "no choice of formats keeps to --max-size 1.0 kB; nearest that should work: --max-size"),
    (["--max-size", "90kB", "--metric", "kld", "--max-loss", "0.0005"], "or --max-loss"),
    (["--max-loss", "0"], "--max-loss 0: write a number above 0"),
    (["--metric", "kld"], "--metric kld says what --max-loss bounds"),
    (["--types", "q9_9"], "'q9_9' is no tensor type; there is F32, F16"),
    (["--types", "standard,-all"], "no type is left"),
    (["--max-loss", "1"], "--max-loss 1 is 100%: write 1%"),
    (["--metric", "arc", "--max-loss", "100%"], "that is every question"),
    (["--metric", "arc", "--max-loss", "5%"], "6 questions cannot prove so little with 95% confidence, even with none "
                                              "lost; it takes 52 at least"),
    # Predictions of speed are corrected by measuring before they refuse.
    (["--min-speed", "900000"], "the model that was built breaks --min-speed 900000"),
])
def test_what_can_not_be_done_is_said_and_leaves_nothing(optimize, tmp_path, flags, told):
    failed = optimize(*flags, check=False)
    assert failed.returncode in (1, 2)
    assert told in failed.stderr and failed.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_one_sequence_is_too_few(nibble, model, data, tmp_path):
    failed = nibble("optimize", model, "-o", tmp_path / "out.gguf", "--calibration", data / "calibration.txt", "--text",
                    data / "held_out.txt", "--arc", data / "arc.jsonl", "--calibration-sequences", 1,
                    "--calibration-tokens", 24, check=False)
    assert failed.returncode == 2 and "needs two at least" in failed.stderr


def test_an_analysis_of_another_model_is_refused(optimize, tmp_path):
    optimize("--max-size", "300kB", "--report", tmp_path / "report")
    analysis = tmp_path / "report" / "analysis.json"
    whole = json.loads(analysis.read_text())

    def refused(content):
        analysis.write_text(json.dumps(content))
        failed = optimize("--max-size", "300kB", "--analysis", analysis, out="b.gguf", check=False)
        assert failed.returncode == 1 and not (tmp_path / "b.gguf").exists()
        return failed.stderr

    assert "no analysis.json" in refused([1, 2])
    assert "it says nothing of" in refused({"tensors": whole["tensors"][1:]})
    whole["tensors"][0]["candidates"][0]["bytes"] += 1
    assert "does not fit this model" in refused(whole)
    whole["tensors"][0]["name"] = "blk.9.attn_q.weight"
    assert "blk.9.attn_q.weight" in refused(whole)


def test_an_analysis_of_other_weights_in_the_same_shape_is_refused(nibble, optimize, tmp_path):
    other = tiny_model.write(tmp_path / "other.gguf", hidden=64, ffn=256, layers=2, seed=9)
    optimize("--max-size", "300kB", "--report", tmp_path / "report")
    analysis = tmp_path / "report" / "analysis.json"
    failed = optimize("--max-size", "300kB", "--analysis", analysis, model=other, out="b.gguf", check=False)
    assert failed.returncode == 1 and "other weights of the same shape" in failed.stderr
    old = json.loads(analysis.read_text())
    analysis.write_text(json.dumps({"tensors": old["tensors"]}))
    failed = optimize("--max-size", "300kB", "--analysis", analysis, out="b.gguf", check=False)
    assert failed.returncode == 1 and "earlier version of nibble" in failed.stderr


def test_an_analysis_brings_its_calibration(nibble, optimize, model, data, tmp_path):
    optimize("--max-size", "200kB", "--report", tmp_path / "first")
    analysis = tmp_path / "first" / "analysis.json"
    made_with = json.loads(analysis.read_text())["calibration"]
    assert made_with == {"source": str(data / "calibration.txt"), "sequences": 6, "tokens": 24, "seed": 1}
    result = json.loads(nibble("optimize", model, "-o", tmp_path / "b.gguf", "--analysis", analysis, "--max-size", "300kB",
                               "--text", data / "held_out.txt", "--arc", data / "arc.jsonl", "--chunks", 2, "--quiet",
                               "--report", tmp_path / "second", "--json").stdout)
    assert result["recipe"]["calibration"] == made_with
    assert (tmp_path / "second" / "analysis.json").read_text() == analysis.read_text()


def test_the_real_model_within_one_bound(nibble, smol_model, data, tmp_path):
    """The whole way on a real model, with little text: the file is a sixth of the original and knows its loss."""
    f32, out = tmp_path / "f32.gguf", tmp_path / "out.gguf"
    nibble("quantize", smol_model, "-o", f32, "--type", "f32", "--quiet")
    result = json.loads(nibble("optimize", f32, "-o", out, "--max-size", "90MB", "--types",
                               "q4_0,iq4_nl,q5_0,q8_0", "--methods", "rtn", "--calibration-sequences", 4,
                               "--calibration-tokens", 128, "--chunks", 2, "--limit", 10, "--quiet", "--json",
                               timeout=900).stdout)
    step = result["steps"][result["picked"]]
    assert out.stat().st_size <= 90e6 and step["kld"] < 0.15
    shutil.rmtree(tmp_path)
