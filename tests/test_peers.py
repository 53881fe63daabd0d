"""bench/peers without the peers: what run.py accepts, how it merges figures, and what render.py makes of them."""
import json
import pathlib
import subprocess
import sys

import pytest

PEERS = pathlib.Path(__file__).resolve().parents[1] / "bench" / "peers"
sys.path.insert(0, str(PEERS))

import render  # noqa: E402
import results  # noqa: E402
import run  # noqa: E402


def answer(prefill, decode, **more):
    return {"load_s": 2.0, "peak_rss_bytes": 4_000_000_000,
            "prefill": [{"tokens": 512, "tokens_per_s": [prefill]}],
            "decode": [{"tokens": 64, "batch": 1, "depth": 0, "tokens_per_s": [decode]}],
            "roof": {"read_gb_s": 50.0, "int8_gops": 900.0}, **more}


def nibble_answer(prefill, decode, roof):
    """As nibble bench --json writes it."""
    result = answer(prefill, decode, profile=[
        {"operation": "gate_up", "phase": "decode", "batch": 1, "seconds": 0.6, "share": 0.6},
        {"operation": "rope_cache", "phase": "decode", "batch": 1, "seconds": 0.4, "share": 0.4},
        {"operation": "gate_up", "phase": "prefill", "batch": 1, "seconds": 2.0, "share": 1.0}])
    for speed in result["prefill"] + result["decode"]:
        rate = speed["tokens_per_s"][0]
        speed.update(tokens_per_s=rate, runs=[rate], of_roof=rate / roof)
    return result


@pytest.fixture
def recorded(tmp_path):
    """Two rounds of two engines at one type, one of another type; the machine slows down between them."""
    path = tmp_path / "results.json"
    case = results.Case("llama2-7b", "q4_0", "native")
    case.add("nibble", nibble_answer(60, 12, 100))
    case.add("llama.cpp", answer(20, 6, version="0.3.36"))
    case.add("nibble", nibble_answer(30, 8, 50))
    case.add("llama.cpp", answer(10, 4, version="0.3.36", roof={"read_gb_s": 25.0, "int8_gops": 900.0}))
    results.merge(path, case)
    other = results.Case("llama2-7b", "int4", "native")
    other.add("nibble", nibble_answer(70, 13, 100))
    other.add("neural-speed", answer(40, 3))
    results.merge(path, other)
    return path


def test_arguments():
    options = run.parse_arguments(["--types", "q4_0,q8_0", "--rounds", "2", "--what", "decode,depth"])
    assert (options.types, options.rounds, options.what) == (["q4_0", "q8_0"], 2, ["decode", "depth"])
    assert options.engines == ["nibble", "llama.cpp", "neural-speed"]


@pytest.mark.parametrize("wrong", (["--types", "q9"], ["--what", "speed"], ["--engines", "nibble,vllm"],
                                   ["--isa", "sse"], ["--rounds", "0"]))
def test_wrong_arguments(wrong, capsys):
    with pytest.raises(SystemExit) as stop:
        run.parse_arguments(wrong)
    assert stop.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_what_runs():
    options = run.parse_arguments(["--what", "decode,batch,depth", "--prompt", "99"])
    options.work = pathlib.Path("work")
    model = pathlib.Path("m.gguf")
    first, deep = (list(map(str, c)) for c in run.engines.ENGINES["nibble"].commands(model, options))
    assert first[first.index("--batch") + 1] == "1,8" and first[first.index("--prompt") + 1] == "0"
    assert deep[deep.index("--depth") + 1] == "2048"
    peer, = (list(map(str, c)) for c in run.engines.ENGINES["llama.cpp"].commands(model, options))
    assert peer[peer.index("--batch") + 1] == "1,8" and peer[peer.index("--depth") + 1] == "2048"
    supports = {name: engine.supports("llama2-7b", "int4", options) for name, engine in run.engines.ENGINES.items()}
    assert supports == {"nibble": True, "llama.cpp": False, "neural-speed": True}


def test_a_later_run_replaces_its_own_figures_only(recorded):
    case = results.Case("llama2-7b", "q4_0", "native")
    later = nibble_answer(90, 0, 100)
    later["decode"] = []
    case.add("nibble", later)
    results.merge(recorded, case)
    figures = json.loads(recorded.read_text())["cases"]["llama2-7b/q4_0/native"]["figures"]
    assert figures["prefill 512"] == {"nibble": [90], "llama.cpp": [20, 10]}
    assert figures["decode"] == {"nibble": [12, 8], "llama.cpp": [6, 4]}


def test_render(recorded, tmp_path):
    subprocess.run([sys.executable, PEERS / "render.py", "--results", recorded, "--out", tmp_path, "--no-plots"],
                   check=True)
    text = (tmp_path / "performance.md").read_text()
    assert "@" not in text
    # Medians with their span; the roof's share and the ratio from the rounds, not from the medians.
    assert "| Q4_0 | 45.0 (30.0-60.0) | 60% | 15.0 (10.0-20.0) | 20% | **3.00** |" in text
    # A roof of 100 tokens/s, then of 50; llama.cpp's second run had half of the bandwidth that nibble's had.
    assert "| Q4_0 | 10.0 (8.0-12.0) | 14% | 5.0 (4.0-6.0) | 11% | **2.00** |" in text
    assert "| int4 g128 | 70.0 | 70% |  |  |  | 40.0 | 40% | **1.75** |" in text
    assert "| gate up | 60.0% | 100.0% |" in text and "| rope cache | 40.0% | 0.0% |" in text
    assert "llama.cpp 0.3.36" in text


def test_the_page_shows_the_recorded_figures():
    everything = json.loads((PEERS / "results.json").read_text())
    page = (PEERS.parents[1] / "docs" / "performance.md").read_text().splitlines()
    lines = [line for line in render.render(everything, {}).splitlines() if line]
    assert [line for line in lines if line not in page] == [], "run bench/peers/render.py"
    assert any(line.startswith("| Q4_0 |") for line in lines)
