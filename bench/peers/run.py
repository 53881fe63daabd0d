#!/usr/bin/env python3
"""Measures nibble beside llama.cpp and Neural Speed: the same shapes, in alternation (A B A B ...).

    python3 bench/peers/run.py --types q4_0,q8_0 --rounds 3 --what prefill,decode

Makes an environment for each peer under build/peers (llama.cpp is compiled for this machine), a model file of
random weights for each type, and runs one program at a time. What it measures replaces the same figures in
--results; render.py makes docs/performance.md of that file.
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys

import engines
import results

ROOT = pathlib.Path(__file__).resolve().parents[2]
WHAT = ("prefill", "decode", "batch", "depth", "profile")


def names(known):
    def parse(text):
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(known)}")
        return chosen
    return parse


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="llama2-7b", help="of 'nibble synth', or smollm2 for the real model")
    parser.add_argument("--types", type=names(engines.TYPES), default=["q4_0"],
                        help="of " + ", ".join(engines.TYPES))
    parser.add_argument("--engines", type=names(engines.ENGINES), default=list(engines.ENGINES),
                        help="of " + ", ".join(engines.ENGINES))
    parser.add_argument("--what", type=names(WHAT), default=["prefill", "decode"], help="of " + ", ".join(WHAT))
    parser.add_argument("--isa", choices=engines.ISAS, default="native",
                        help="instruction sets of nibble (NIBBLE_ISA); avx2: and of a llama.cpp compiled for it")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each engine")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8, help="sequences that decode together")
    parser.add_argument("--depth", type=int, default=2048, help="tokens in the cache for --what depth")
    parser.add_argument("--kv-type", default="f16", help="nibble's cache for --what depth")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", type=int, default=900, help="seconds that a run may take")
    parser.add_argument("--launcher", default="", help="started in front of each run, such as 'taskset -c 0,1'")
    parser.add_argument("--keep", action="store_true", help="leave the model files for the next call")
    parser.add_argument("--nibble", type=pathlib.Path, default=ROOT / "build/release/nibble")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/peers")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench/peers/results.json")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds is at least 1")
    return options


def measure(engine, model, options):
    """One run of one engine; what it prints, or None after saying why it failed."""
    answers = []
    for command in engine.commands(model, options):
        command = [*options.launcher.split(), *map(str, command)]
        try:
            run = subprocess.run(command, env=engine.environment(options), capture_output=True, text=True,
                                 timeout=options.timeout)
        except subprocess.TimeoutExpired:
            print(f"  {engine.name}: no answer after {options.timeout} s", file=sys.stderr)
            return None
        if run.returncode != 0:
            print(f"  {engine.name} failed ({run.returncode}): {run.stderr[-2000:]}{run.stdout[-2000:]}",
                  file=sys.stderr)
            return None
        answers.append(json.loads(run.stdout))
    for further in answers[1:]:
        answers[0]["decode"] += further["decode"]
    return answers[0]


def probe_roof(options):
    """The machine's roofs at this moment, of a model too small to take time."""
    tiny = options.work / "roof.gguf"
    threads = ["--threads", str(options.threads)]
    if not tiny.exists():
        subprocess.run([options.nibble, "synth", "--shape", "smollm2-135m", "--layers", "1", "--type", "q4_0",
                        "--quiet", "-o", tiny], check=True, stdout=subprocess.DEVNULL)
    command = [*options.launcher.split(), options.nibble, "bench", tiny, "--prompt", "1", "--generate", "0",
               "--json", "--quiet", *threads]
    run = subprocess.run(command, env=engines.ENGINES["nibble"].environment(options), capture_output=True,
                         check=True)
    return json.loads(run.stdout)["roof"]


def describe(answer):
    speeds = [f"prefill {s['tokens']}: {results.rates(s)[0]:.2f}" for s in answer["prefill"]]
    speeds += [f"decode x{s['batch']} at {s['depth']}: {results.rates(s)[0]:.2f}" for s in answer["decode"]]
    speeds.append(f"reads {answer['roof']['read_gb_s']:.1f} GB/s")
    return f"load {answer['load_s']:.1f} s, {answer['peak_rss_bytes'] / 1e9:.2f} GB, " + ", ".join(speeds)


def run_type(type_name, options):
    case = results.Case(options.shape, type_name, options.isa)
    chosen = [engine for name in options.engines
              if (engine := engines.ENGINES[name]).supports(options.shape, type_name, options)]
    models = {}
    for engine in chosen:
        engine.install(options)
        models[engine.name] = engine.model(options.shape, type_name, options)
    for round_number in range(options.rounds):
        for engine in chosen:
            answer = measure(engine, models[engine.name], options)
            if answer is None:
                continue
            if "roof" not in answer:
                answer["roof"] = probe_roof(options)
            stamp = datetime.datetime.now().strftime("%H:%M:%S")
            print(f"{stamp} {case.key} round {round_number + 1} {engine.name}: {describe(answer)}", flush=True)
            case.add(engine.name, answer)
    if not options.keep:
        for path in {path for engine in chosen if (path := engine.scratch(models[engine.name], options))}:
            path.unlink(missing_ok=True)
    return case


def main():
    options = parse_arguments()
    options.work.mkdir(parents=True, exist_ok=True)
    for type_name in options.types:
        case = run_type(type_name, options)
        # After each type, so that an interrupted run keeps what it has.
        results.merge(options.results, case)
    if not options.keep:
        engines.state_file(options).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
