"""Chat templates: nibble's interpreter against jinja2 itself.

NIBBLE_TEST_TOOLS  the folder with template_render; default: build/release
"""
import json
import os
import pathlib
import random
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "templates"))

import fuzz  # noqa: E402
import models  # noqa: E402
import reference  # noqa: E402
import snippets  # noqa: E402

# Python warns about odd escapes and calls in the code that jinja2 makes of random templates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")


@pytest.fixture(scope="module")
def render_all():
    """Renders requests [{"template" or "preset", "context"}] in one run of template_render."""
    tool = pathlib.Path(os.environ.get("NIBBLE_TEST_TOOLS", ROOT / "build" / "release")) / "template_render"
    if not tool.is_file():
        pytest.fail(f"{tool} is not there: build nibble with its tests first, or set NIBBLE_TEST_TOOLS")

    def run(requests):
        lines = "".join(json.dumps(request) + "\n" for request in requests)
        result = subprocess.run([tool], input=lines, capture_output=True, text=True, encoding="utf-8", timeout=120)
        assert result.returncode == 0, f"template_render died: {result.stderr[-2000:]}"
        return [json.loads(line) for line in result.stdout.split("\n") if line]

    return run


def assert_same(render_all, cases):
    """Every (template, context) gives the same text, or fails on both sides."""
    ours = render_all([{"template": template, "context": context} for template, context in cases])
    assert len(ours) == len(cases)
    for (template, context), got in zip(cases, ours):
        wanted = reference.render(template, context)
        if "error" in wanted:
            assert "error" in got, f"{template!r}: jinja2 fails with {wanted['error']}, nibble gives {got}"
        else:
            assert got == wanted, f"{template!r}"


@pytest.mark.parametrize("table", ["SNIPPETS", "MULTILINE"])
def test_snippets(render_all, table):
    cases = [(template, snippets.CONTEXT) for template in getattr(snippets, table)]
    for template, context in cases:
        assert "error" not in reference.render(template, context), f"{template!r} is to work in jinja2"
    assert_same(render_all, cases)


def test_failing_snippets(render_all):
    cases = [(template, snippets.CONTEXT) for template in snippets.FAILING]
    for (template, context), got in zip(cases, render_all([{"template": t, "context": c} for t, c in cases])):
        assert "error" in reference.render(template, context), f"{template!r} is to fail in jinja2"
        assert "error" in got, f"{template!r} gave {got}"
        assert "\n" not in got["error"] and "line " in got["error"], got


@pytest.mark.parametrize("name", models.TEMPLATES)
def test_models(render_all, name):
    cases = [(models.TEMPLATES[name], context) for context in models.CONVERSATIONS.values()]
    assert any("output" in reference.render(*case) for case in cases)
    assert_same(render_all, cases)


def test_raised_message_is_kept(render_all):
    context = models.CONVERSATIONS["wrong order"]
    got, = render_all([{"template": models.TEMPLATES["llama-2"], "context": context}])
    assert got["error"].endswith("Roles have to alternate: user, assistant, user, ...")


@pytest.mark.parametrize("seed", range(2))
def test_random_templates(render_all, seed):
    generator = fuzz.Generator(random.Random(seed))
    assert_same(render_all, [(generator.template(), snippets.CONTEXT) for _ in range(1200)])


def test_random_damage(render_all):
    """Templates with bytes dropped, doubled or swapped: the same text, or an error on both sides."""
    generator = fuzz.Generator(random.Random(99))
    sources = list(models.TEMPLATES.values())
    context = models.CONVERSATIONS["tools system"]
    assert_same(render_all, [(generator.damaged(generator.random.choice(sources)), context) for _ in range(400)])


PRESETS = {
    "alpaca": {
        "system": "<s>You are a \"careful\" assistant.\n\n### Instruction:\nWhat is 2 + 2?\n\n### Response:\n",
        "turns": "<s>### Instruction:\nWhat is 2 + 2?\n\n### Response:\n4 — obviously 🙂</s>\n\n"
                 "### Instruction:\nAnd 3 + 3?\n\n### Response:\n",
    },
    "chatml": {
        "user": "<|im_start|>user\n  What is 2 + 2?\n<|im_end|>\n<|im_start|>assistant\n",
        "system turns": "<|im_start|>system\nYou are a \"careful\" assistant.\n<|im_end|>\n"
                        + 2 * ("<|im_start|>user\n  What is 2 + 2?\n<|im_end|>\n"
                               "<|im_start|>assistant\n4 — obviously 🙂<|im_end|>\n"),
    },
    "llama2": {
        "system": "<s>[INST] <<SYS>>\nYou are a \"careful\" assistant.\n<</SYS>>\n\nWhat is 2 + 2? [/INST]",
        "turns": "<s>[INST] What is 2 + 2? [/INST] 4 — obviously 🙂 </s><s>[INST] And 3 + 3? [/INST]",
    },
}


@pytest.mark.parametrize("preset,conversation", [(p, c) for p, cs in PRESETS.items() for c in cs])
def test_presets(render_all, preset, conversation):
    got, = render_all([{"preset": preset, "context": models.CONVERSATIONS[conversation]}])
    assert got == {"output": PRESETS[preset][conversation]}
