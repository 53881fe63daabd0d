"""Runs that are interrupted: killed at every moment, out of disk, and what the next run makes of what is left."""
import fcntl
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import time

import pytest

import tiny_model

SMALL = ["--calibration-sequences", 4, "--calibration-tokens", 24]
TEXT = "It was a bright cold day in April, and the clocks were striking thirteen. " * 4
LAYERS = 4
COMMANDS = {
    "gptq": ["quantize", "--type", "q4_0", "--method", "gptq"],
    "awq": ["quantize", "--type", "q4_0", "--method", "awq"],
    "autoround": ["quantize", "--type", "q4_0", "--method", "autoround", "--steps", 4],
    "smoothquant": ["quantize", "--type", "q8_0", "--method", "smoothquant"],
    "wanda": ["quantize", "--type", "q4_0", "--prune", "wanda", "--sparsity", "2:4"],
    "imatrix": ["imatrix"],
    "optimize": ["optimize", "--max-size", "130kB", "--chunks", 1, "--limit", 1, "--types", "q4_0,q8_0"],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model.write(tmp_path_factory.mktemp("resume") / "tiny.gguf", layers=LAYERS, hidden=64, ffn=128)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def fault_library(tmp_path_factory):
    """Preloaded, it lets file operations go wrong (tests/tools/fault_injection.cpp)."""
    compiler = shutil.which("c++")
    if not compiler:
        pytest.skip("there is no c++ to build tests/tools/fault_injection.cpp with")
    library = tmp_path_factory.mktemp("fault") / "fault.so"
    source = pathlib.Path(__file__).parent / "tools" / "fault_injection.cpp"
    subprocess.run([compiler, "-std=c++20", "-shared", "-fPIC", source, "-o", library, "-ldl"], check=True)
    return library


@pytest.fixture
def run(nibble, model, text):
    """run("gptq", out, ...): quantize or imatrix, with one thread so that operations come in one order."""

    def of(name, out, *flags, calibration=text, **options):
        command, *rest = COMMANDS[name]
        if name == "optimize":
            rest += ["--text", text]
        return nibble(command, model, "-o", out, *rest, "--calibration", calibration, *SMALL, "--threads", 1, *flags,
                      **options)

    return of


@pytest.fixture
def faulty(run, fault_library):
    def of(fault, name, out, *flags, **options):
        environment = {**os.environ, "LD_PRELOAD": str(fault_library), "FAULT": fault}
        return run(name, out, *flags, check=False, env=environment, **options)

    return of


@pytest.fixture
def begun(faulty, run, tmp_path):
    """A run with `layers` layers done and killed at the next one: begun("gptq", "OUT", layers)."""

    def of(name, out, layers=2):
        for operation in range(30, 400, 3):
            faulty(f"kill:{operation}", name, out)
            if f'"layers":{layers}}}' in state_of(out).read_text("latin-1"):
                return
            for path in tmp_path.glob(out.name + "*"):
                path.unlink()
        pytest.fail(f"no run was killed behind layer {layers}")

    return of


def partial_of(out):
    return out.with_name(out.name + ".partial")


def state_of(out):
    state = out.with_name(out.name + ".partial.state")
    if not state.exists():
        state.write_text("")
    return state


@pytest.mark.parametrize("name, step", [("gptq", 3), ("awq", 11), ("autoround", 11), ("smoothquant", 11),
                                        ("wanda", 11), ("imatrix", 2), ("optimize", 19)])
def test_a_run_killed_at_any_moment_goes_on_to_the_same_file(run, faulty, tmp_path, name, step):
    reference = tmp_path / "reference"
    run(name, reference)
    resumed = set()
    for operation in range(1, 1000, step):
        out = tmp_path / "out"
        killed = faulty(f"kill:{operation}", name, out)
        if killed.returncode == 0:
            break
        assert killed.returncode == -signal.SIGKILL
        assert not out.exists() or out.read_bytes() == reference.read_bytes()
        faulty(f"kill:{step + operation % 7}", name, out)  # again, early in what is left to do
        said = run(name, out).stderr
        resumed.update(line for line in said.splitlines() if line.startswith("Resuming"))
        assert "damaged" not in said
        assert out.read_bytes() == reference.read_bytes(), operation
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "reference"], operation
        out.unlink()
    assert operation > 20
    assert {f"Resuming at layer {layer} of {LAYERS}" for layer in range(2, LAYERS + 1)} <= resumed


@pytest.mark.parametrize("name", ["gptq", "imatrix"])
def test_text_that_the_model_wrote_is_kept(run, faulty, tmp_path, name):
    reference, out = tmp_path / "reference", tmp_path / "out"
    run(name, reference, calibration="self")
    for operation in range(1, 60):
        faulty(f"kill:{operation}", name, out, calibration="self")
        said = faulty("kill:1000000", name, out, calibration="self").stderr
        assert out.read_bytes() == reference.read_bytes()
        out.unlink()
        if "Writing calibration text" not in said:
            return
    pytest.fail("the text was written anew each time")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_keeps_what_is_done(nibble_bin, nibble, model, text, fault_library, tmp_path, number):
    def arguments(out):
        return ["quantize", model, "-o", out, "--type", "q4_0", "--method", "autoround", "--steps", 300,
                "--calibration", text, *SMALL]

    reference, out = tmp_path / "reference.gguf", tmp_path / "out.gguf"
    nibble(*arguments(reference))
    process = subprocess.Popen([nibble_bin, *map(str, arguments(out))], stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "LD_PRELOAD": str(fault_library), "FAULT": "hold:.partial.state"})
    state = out.with_name("out.gguf.partial.state")
    while not state.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    said = process.communicate()[1]
    assert process.returncode == -number and not out.exists()
    assert ("the same command goes on" in said) == (number != signal.SIGKILL)
    assert "Resuming at layer" in nibble(*arguments(out)).stderr
    assert out.read_bytes() == reference.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.gguf", "reference.gguf"]


@pytest.mark.parametrize("flags, why", [
    (["--type", "q4_1"], "the earlier run has 'type: Q4_0', this one 'type: Q4_1'"),
    (["--type", "q4_0", "--output-tensor-type", "f16"], "the earlier run has 'tensors: "),
    (["--type", "q4_0", "--method", "awq"], "the earlier run has 'method: gptq', this one 'method: awq'"),
    (["--type", "q4_0", "--calibration-sequences", "3"], "this one 'calibration: "),
    (["--type", "q4_0", "--no-resume"], "--no-resume was given")])
def test_another_job_begins_anew_and_says_why(nibble, model, text, begun, tmp_path, flags, why):
    def job(out):
        method = [] if "--method" in flags else ["--method", "gptq"]
        small = SMALL[2:] if "--calibration-sequences" in flags else SMALL
        return nibble("quantize", model, "-o", out, *flags, *method, "--calibration", text, *small)

    reference, out = tmp_path / "reference", tmp_path / "out"
    job(reference)
    begun("gptq", out)
    said = job(out).stderr
    assert "out.partial.state is not used, the run begins anew: " in said and why in said and "Resuming" not in said
    assert out.read_bytes() == reference.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "reference"]


def test_another_model_under_the_same_name_begins_anew(nibble, model, text, begun, tmp_path):
    out = tmp_path / "out"
    begun("gptq", out)
    os.utime(model)
    command, *rest = COMMANDS["gptq"]
    said = nibble(command, model, "-o", out, *rest, "--calibration", text, *SMALL).stderr
    assert "the earlier run has 'model: " in said and "Resuming" not in said


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def saved_end(state):
    """Where the part of the file ends that the state speaks of: what lies behind is written anew in any case."""
    return int(re.search(r'"end":(\d+)', state.read_text("latin-1"))[1])


@pytest.mark.parametrize("damage", [
    lambda state, partial: flip(state, -1), lambda state, partial: flip(state, 3), lambda state, partial: flip(state, 25),
    lambda state, partial: flip(state, 60), lambda state, partial: os.truncate(state, 30),
    lambda state, partial: os.truncate(state, state.stat().st_size - 5), lambda state, partial: os.truncate(state, 0),
    lambda state, partial: flip(partial, saved_end(state) - 40),
    lambda state, partial: os.truncate(partial, saved_end(state) - 1),
    lambda state, partial: partial.unlink()])
def test_a_damaged_state_begins_anew_and_says_so(run, begun, tmp_path, damage):
    reference, out = tmp_path / "reference", tmp_path / "out"
    run("gptq", reference)
    begun("gptq", out)
    damage(state_of(out), partial_of(out))
    said = run("gptq", out).stderr
    assert "the run begins anew" in said and "Resuming" not in said
    assert out.read_bytes() == reference.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "reference"]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(run, faulty, tmp_path, name):
    reference = tmp_path / "reference"
    run(name, reference)
    resumed = 0
    for operation in range(1, 200, 13):
        out = tmp_path / "out"
        full = faulty(f"full:{operation}", name, out, "--quiet")
        if full.returncode == 0:
            break
        assert full.returncode == 1 and full.stderr.count("\n") == 1 and not out.exists()
        assert "cannot write " + str(out) in full.stderr and "No space left on device" in full.stderr
        assert "make room" in full.stderr
        resumed += "Resuming" in run(name, out).stderr
        assert out.read_bytes() == reference.read_bytes()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "reference"]
        out.unlink()
    assert resumed > 0


def test_a_limit_on_the_size_of_files_is_told_too(run, tmp_path):
    out = tmp_path / "out"
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
    result = run("gptq", out, "--quiet", check=False, preexec_fn=limit)
    assert result.returncode == 1 and "File too large with " in result.stderr and "MB still to be written" in result.stderr
    assert not out.exists()


@pytest.mark.parametrize("method", ["rtn", "gptq"])
def test_room_is_looked_at_before_the_work(nibble, model, text, fault_library, tmp_path, method):
    out = tmp_path / "out"
    calibration = ["--calibration", text, *SMALL] if method == "gptq" else []
    result = nibble("quantize", model, "-o", out, "--type", "q4_0", "--method", method, *calibration, "--quiet", check=False,
                    env={**os.environ, "LD_PRELOAD": str(fault_library), "FAULT": "space:20000"})
    assert result.returncode == 1 and "and the disk has 0.0 MB left; make room" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_two_runs_do_not_write_the_same_file(run, tmp_path):
    out = tmp_path / "out"
    with open(partial_of(out), "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = run("gptq", out, check=False)
    assert result.returncode == 1 and "out.partial is in use: another run is writing the same file" in result.stderr
    run("gptq", out)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
