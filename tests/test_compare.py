"""nibble compare and bench from outside: figures, reports and failures, on tiny models."""
import html.parser
import json
import os
import pathlib
import shlex
import shutil

import pytest
import tiny_model

BENCH = ("--prompt", 32, "--generate", 8, "--repeat", 2)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    return [tiny_model.write(folder / f"tiny-{name}.gguf", seed=seed, **options)
            for name, seed, options in (("A", 1, {}), ("B", 2, {}), ("bare", 1, dict(tokenizer=False)))]


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    path = tmp_path_factory.mktemp("compare") / "science.jsonl"
    choices = [{"text": t, "label": x} for x, t in zip("ABC", ("hot", "cold air", "the middle"))]
    path.write_text("".join(json.dumps({"id": f"q{i}", "question": {"stem": f"What is {i}?", "choices": choices},
                                        "answerKey": "ABC"[i % 3]}) + "\n" for i in range(30)))
    return path


class Page(html.parser.HTMLParser):
    """Checks that tags are closed in order, and collects what the page refers to."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.circles, self.references = [], "", 0, []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.circles += tag == "circle"
        self.references += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "line", "circle", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.circles += tag == "circle"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_compare(nibble, models, questions, tmp_path):
    report = tmp_path / "new" / "report"
    run = nibble("compare", *models, "--arc", questions, "--limit", 20, "--report", report, *BENCH)
    figures = json.loads((report / "report.json").read_text())
    a, b, bare = figures["models"]
    assert [m["name"] for m in figures["models"]] == ["A", "B", "bare"]
    for model, path in zip(figures["models"], models):
        assert model["file_bytes"] == pathlib.Path(path).stat().st_size
        assert model["parameters"] > 20000 and model["bits_per_weight"] == 32
        assert model["peak_rss_bytes"] > 1 << 20
        assert model["decode"][0]["tokens_per_s"] > 0 and model["prefill"][0]["tokens"] == 32
        assert model["decode"][0]["cpu_percent"] > 0 and model["roof"]["read_gb_s"] > 0
    assert a["arc"]["sample"] == b["arc"]["sample"] == "20 of 30 questions, seed 0"
    assert [q["id"] for q in a["arc"]["questions"]] == [q["id"] for q in b["arc"]["questions"]]
    right = [[q["pred"] == q["gold"] for q in m["arc"]["questions"]] for m in (a, b)]
    difference = b["difference_from_first"]
    assert difference["acc"] == pytest.approx(b["arc"]["acc"] - a["arc"]["acc"])
    assert difference["only_first_right"] == sum(x and not y for x, y in zip(*right))
    assert "difference_from_first" not in a and "arc" not in bare and "tokenizer" in bare["arc_skipped"]

    for text in run.stdout, (report / "report.md").read_text(), Page((report / "report.html").read_text()).text:
        assert "20 of 30 questions, seed 0" in text and str(questions) in text
        assert f"{100 * a['arc']['acc']:.1f} ±" in text
        assert "bare was asked no questions" in text
    assert "[3/3]" in run.stderr


def test_the_page_needs_nothing_else(nibble, models, questions, tmp_path):
    nibble("compare", *models[:2], "--arc", questions, "--report", tmp_path, "--note", "<b>a note</b>", *BENCH)
    page = Page((tmp_path / "report.html").read_text())
    # Two models in two plots, each drawn for wide pages and for phones.
    assert page.circles == 8 and page.references == []
    assert "<b>a note</b>" in page.text and "prefers-color-scheme" in page.text
    assert sorted(os.listdir(tmp_path)) == ["report.html", "report.json", "report.md"]


def test_json_to_stdout(nibble, models, questions):
    run = nibble("compare", models[0], "--arc", questions, "--json", "--quiet", *BENCH)
    assert json.loads(run.stdout)["models"][0]["arc"]["n"] == 30
    assert run.stderr == ""


def test_the_command_in_the_report_does_the_same(nibble, models, questions, tmp_path):
    spaced = tmp_path / "a model's copy.gguf"
    shutil.copy(models[0], spaced)
    first = nibble("compare", spaced, "--arc", questions, "--limit", 7, "--seed", 3, "--json", "--quiet", *BENCH)
    figures = json.loads(first.stdout)
    command = shlex.split(figures["command"])
    assert command[0] == "nibble"
    again = json.loads(nibble(*command[1:], "--json", "--quiet").stdout)
    assert again["models"][0]["arc"] == figures["models"][0]["arc"]


def test_mistakes_show_before_the_work(nibble, models, questions, tmp_path):
    def failure(*arguments):
        result = nibble("compare", *arguments, check=False)
        assert result.stderr.startswith("nibble: ") and result.stderr.count("\n") == 1 and result.stdout == ""
        return result.returncode, result.stderr

    assert failure()[0] == 2
    status, message = failure(models[0], tmp_path / "none.gguf", "--arc", questions)
    assert status == 1 and "none.gguf" in message
    status, message = failure(models[0], "--arc", tmp_path / "none.jsonl")
    assert status == 1 and "none.jsonl" in message
    status, message = failure(models[0], "--arc", questions, "--prompt", 4096)
    assert status == 2 and "128" in message and "--prompt" in message
    (tmp_path / "file").write_text("")
    status, message = failure(models[0], "--arc", questions, "--report", tmp_path / "file")
    assert status == 1 and "--report" in message


def test_a_model_that_fails_does_not_take_the_others_along(nibble, models, questions, tmp_path):
    long = tmp_path / "long.jsonl"
    question = json.loads(questions.read_text().splitlines()[0])
    question["question"]["stem"] = "long " * 20
    long.write_text(json.dumps(question) + "\n")
    wide = tiny_model.write(tmp_path / "wide.gguf", context=512)
    result = nibble("compare", wide, models[0], "--arc", long, "--report", tmp_path / "r", *BENCH, check=False)
    assert result.returncode == 1
    assert "1 of 2 models could not be measured" in result.stderr.splitlines()[-1]
    figures = json.loads((tmp_path / "r" / "report.json").read_text())
    assert figures["models"][0]["arc"]["n"] == 1 and "128" in figures["models"][1]["error"]
    assert "has no figures" in result.stdout


def test_the_worker_is_hidden(nibble):
    assert "compare-worker" not in nibble("--help").stdout


def test_bench(nibble, models):
    result = json.loads(nibble("bench", models[2], "--batch", "1,3", "--json", *BENCH, "--quiet").stdout)
    assert result["load_s"] > 0 and result["peak_rss_bytes"] > 1 << 20
    roof, steps = result["roof"], result["roof"]["steps"]
    assert roof["read_gb_s"] > 0.1 and roof["int8_gops"] > 1 and roof["float_gflops"] > 1
    threads = [step["threads"] for step in steps]
    assert threads[0] == 1 and threads == sorted(set(threads)) and threads[-1] == result["threads"]
    for figure in ("read_gb_s", "int8_gops", "float_gflops"):
        assert roof[figure] == max(step[figure] for step in steps)
    assert [(p["tokens"], len(p["runs"])) for p in result["prefill"]] == [(32, 2)]
    assert [d["batch"] for d in result["decode"]] == [1, 3]
    for speed in result["prefill"] + result["decode"]:
        assert speed["runs"][0] <= speed["tokens_per_s"] <= speed["runs"][-1]
        assert speed["of_roof"] > 0 and speed["threads"] in threads and speed["kernels"]
        assert ("of_reading" in speed) == ("batch" in speed) and speed.get("of_reading", 1) > 0


def test_bench_of_a_single_token_reads_the_weights_too(nibble, models):
    one = nibble("bench", models[2], "--prompt", 0, "--generate", 1, "--repeat", 1, "--json", "--quiet")
    assert json.loads(one.stdout)["decode"][0]["of_reading"] > 0


def test_bench_with_the_threads_asked_for(nibble, models):
    result = json.loads(nibble("bench", models[0], "--threads", 1, "--json", *BENCH, "--quiet").stdout)
    assert [step["threads"] for step in result["roof"]["steps"]] == [1]
    assert result["threads"] == result["prefill"][0]["threads"] == result["decode"][0]["threads"] == 1


def test_bench_profile(nibble, models):
    arguments = ("bench", models[2], "--batch", "1,3", "--profile", *BENCH, "--quiet")
    result = json.loads(nibble(*arguments, "--json").stdout)
    for phase, batch, speed in (("prefill", 1, result["prefill"][0]), ("decode", 3, result["decode"][1])):
        parts = [p for p in result["profile"] if (p["phase"], p["batch"]) == (phase, batch)]
        assert {"embed", "quantize", "qkv", "attention", "down", "logits"} <= {p["operation"] for p in parts}
        assert sum(p["share"] for p in parts) == pytest.approx(1)
        seconds = sum(p["seconds"] for p in parts)
        runs = [batch * speed["tokens"] / rate for rate in speed["runs"]]
        wall = sum(runs) / len(runs)
        assert 0.5 * wall < seconds <= wall
    assert "time of decode, batch 3" in nibble(*arguments).stdout
    assert "profile" not in json.loads(nibble("bench", models[0], *BENCH, "--json").stdout)


def test_bench_at_a_depth(nibble, models):
    result = json.loads(nibble("bench", models[0], "--depth", 100, "--batch", "1,2", *BENCH, "--json").stdout)
    assert [(d["depth"], d["batch"], d["tokens"]) for d in result["decode"]] == [(100, 1, 8), (100, 2, 8)]
    assert "decode 8, batch 1, after 100" in nibble("bench", models[0], "--depth", 100, *BENCH).stdout
    assert "decode 8" in nibble("bench", models[0], "--depth", 100, "--kv-type", "f32", *BENCH).stdout
    result = nibble("bench", models[0], "--depth", 121, *BENCH, check=False)
    assert result.returncode == 2 and "--depth" in result.stderr


def test_lengths_nobody_asked_for_fit_the_context(nibble, models, questions):
    result = json.loads(nibble("bench", models[0], "--repeat", 1, "--json").stdout)
    assert (result["prefill"][0]["tokens"], result["decode"][0]["tokens"]) == (128, 64)
    run = nibble("compare", models[0], "--arc", questions, "--limit", 3, "--repeat", 1)
    assert "128 at once" in run.stdout


def test_bench_for_people(nibble, models):
    text = nibble("bench", models[0], *BENCH).stdout
    assert "prefill 32" in text and "of the roof" in text
    result = nibble("bench", models[0], "--prompt", 200, check=False)
    assert result.returncode == 2 and "--prompt" in result.stderr and "128" in result.stderr
    assert nibble("bench", models[0], "--batch", "0", check=False).returncode == 2
