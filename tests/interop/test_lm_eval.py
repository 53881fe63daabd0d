"""lm-evaluation-harness over the API gives the numbers of `nibble eval`: the same questions, scored by its
local-completions through /v1/completions with the server's tokenizer.

Run by `make interop`, outside `make test`, since the harness brings many packages.
"""
import json
import os
import pathlib
import subprocess
import sys

import pytest

lm_eval = pytest.importorskip("lm_eval")

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from serve_process import Server  # noqa: E402

NIBBLE = os.environ.get("NIBBLE_BIN", str(ROOT / "build/release/nibble"))
MODEL = os.environ["NIBBLE_MODEL"]
DATA = pathlib.Path(os.environ.get("NIBBLE_DATA", ROOT.parent / "shared/data"))
LIMIT = int(os.environ.get("NIBBLE_LM_EVAL_LIMIT", 100))
# Sums of float32 in another order, over the tokens of a choice.
TOLERANCE = 1e-3
TASK = """
task: nibble_arc
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "Question: {{{{stem}}}}\\nAnswer:"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: gold
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: acc_norm, aggregation: mean, higher_is_better: true}}
metadata: {{version: 1}}
"""


def read_questions():
    """ARC Challenge where it is at hand, else the questions that come along."""
    arc = DATA / "arc/ARC-Challenge-Test.jsonl"
    path = arc if arc.is_file() else ROOT / "data/questions/science.jsonl"
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return lines[:LIMIT]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """(nibble's, the harness' by question)"""
    directory = tmp_path_factory.mktemp("lm_eval")
    lines = read_questions()
    (directory / "questions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    flat = []
    for line in lines:
        question = json.loads(line)
        choices = question["question"]["choices"]
        flat.append(json.dumps({"stem": question["question"]["stem"], "choices": [c["text"] for c in choices],
                                "gold": [c["label"] for c in choices].index(question["answerKey"])}))
    (directory / "flat.jsonl").write_text("\n".join(flat) + "\n", encoding="utf-8")
    (directory / "task.yaml").write_text(TASK.format(data=directory / "flat.jsonl"), encoding="utf-8")
    own = directory / "own.json"
    subprocess.run([NIBBLE, "eval", MODEL, "--arc", directory / "questions.jsonl", "--json", own, "--quiet"], check=True)
    with Server(NIBBLE, MODEL) as server:
        arguments = f"model={pathlib.Path(MODEL).stem},base_url={server.url}/v1/completions,tokenizer_backend=remote," \
                    "num_concurrent=1,max_length=2048"
        subprocess.run([sys.executable, "-m", "lm_eval", "--model", "local-completions", "--model_args", arguments,
                        "--batch_size", "16", "--tasks", "nibble_arc", "--include_path", directory, "--output_path", directory / "out",
                        "--log_samples"], check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}, timeout=1800)
    own = json.loads(own.read_text())
    own = own[0] if isinstance(own, list) else own
    samples = next((directory / "out").rglob("samples_*.jsonl"))
    theirs = sorted((json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()),
                    key=lambda sample: sample["doc_id"])
    return own, theirs


def test_the_same_log_likelihoods(results):
    own, theirs = results
    assert len(theirs) == len(own["questions"])
    worst = 0
    for question, sample in zip(own["questions"], theirs):
        scores = [float(response[0][0]) for response in sample["resps"]]
        assert len(scores) == len(question["ll"])
        worst = max(worst, *(abs(a - b) for a, b in zip(scores, question["ll"])))
    print(f"{len(theirs)} questions, largest difference of a log-likelihood {worst:.2e}")
    assert worst <= TOLERANCE


def test_the_same_accuracy(results):
    own, theirs = results
    for metric in ("acc", "acc_norm"):
        assert sum(sample[metric] for sample in theirs) / len(theirs) == pytest.approx(own[metric], abs=1e-9)
