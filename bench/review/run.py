#!/usr/bin/env python3
"""Measures every quantization method at 8, 4, 3 and 2 bits, and writes the table of docs/quantization.md.

    python3 bench/review/run.py --work build/review [--chunks 20] [--limit 500] [--only gptq]

The original is SmolLM2-135M-Instruct with its weights as float32. Figures are kept in WORK/results.json as they are
measured, and a second run goes on where the first one stopped; files that are measured are deleted. The page is
written when all cases are measured; until then the table of those that are is printed.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- review: written by bench/review/run.py -->", "<!-- review: end -->"
CALIBRATES = {"gptq", "awq", "autoround", "smoothquant", "wanda", "sparsegpt"}


def case(bits, method, kind, *flags, name=None):
    return {"bits": bits, "method": method, "type": kind, "flags": list(flags), "name": name or method}


CASES = [
    case(8, "rtn", "q8_0"), case(8, "rtn", "int8"), case(8, "smoothquant", "int8"), case(8, "gptq", "int8"),
    case(4, "rtn", "q4_0"), case(4, "rtn", "iq4_nl"), case(4, "rtn", "q4_k_m"), case(4, "rtn", "nf4"),
    case(4, "rtn", "nf4", "--double-quant", name="rtn, double quantization"), case(4, "learned-scales", "nf4"),
    case(4, "rtn", "int4", "--asymmetric"), case(4, "hqq", "int4", "--asymmetric"),
    case(4, "imatrix", "q4_0"), case(4, "imatrix", "iq4_nl"), case(4, "gptq", "q4_0"), case(4, "gptq", "iq4_nl"),
    case(4, "gptq", "nf4"), case(4, "awq", "q4_0"), case(4, "awq", "iq4_nl"), case(4, "autoround", "q4_0"),
    case(3, "rtn", "q3_k_m"), case(3, "imatrix", "q3_k_m"), case(3, "gptq", "q3_k_m"), case(3, "awq", "q3_k_m"),
    case(2, "rtn", "q2_k"), case(2, "imatrix", "q2_k"), case(2, "gptq", "q2_k"), case(2, "awq", "q2_k"),
    case("8, pruned", "wanda", "q8_0", "--sparsity", "0.5", name="Wanda, half of the weights"),
    case("8, pruned", "sparsegpt", "q8_0", "--sparsity", "0.5", name="SparseGPT, half of the weights"),
    case("8, pruned", "wanda", "q8_0", "--sparsity", "2:4", name="Wanda, 2 of 4"),
    case("8, pruned", "sparsegpt", "q8_0", "--sparsity", "2:4", name="SparseGPT, 2 of 4"),
    case("cache", "kv", "int8", name="KV cache"), case("cache", "kv", "int4", name="KV cache"),
    case("cache", "kv", "q8_0_unrotated", name="KV cache"), case("cache", "kv", "q4_0_unrotated", name="KV cache"),
]


def parse_arguments():
    data = pathlib.Path(os.environ.get("NIBBLE_DATA", ROOT.parent / "shared/data"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/review")
    parser.add_argument("--nibble", type=pathlib.Path, default=ROOT / "build/release/nibble")
    parser.add_argument("--text", type=pathlib.Path, default=data / "wikitext-2-raw/wiki.test.raw")
    parser.add_argument("--arc", type=pathlib.Path, default=data / "arc", help="its train split calibrates")
    parser.add_argument("--chunks", type=int, default=20)
    parser.add_argument("--limit", type=int, default=500, help="questions of ARC")
    parser.add_argument("--only", default="", help="cases whose method and type contain this")
    parser.add_argument("--page", type=pathlib.Path, default=ROOT / "docs/quantization.md")
    options = parser.parse_args()
    for path in (options.text, options.arc):
        if not path.exists():
            parser.error(f"{path} is not there: name WikiText-2's test text by --text and ARC's folder by --arc, "
                         "or set NIBBLE_DATA")
    return options


def run(command):
    """What the command prints, its processor seconds over all threads, and its largest resident memory in bytes."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen([str(c) for c in command], stdout=out, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        out.seek(0), errors.seek(0)
        if status:
            sys.exit(f"{' '.join(map(str, command))}: {errors.read()}")
        return out.read(), usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


class Review:
    def __init__(self, options):
        self.options = options
        options.work.mkdir(parents=True, exist_ok=True)
        self.file = options.work / "results.json"
        self.results = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.base = options.work / "f32.gguf"
        if not self.base.exists():
            source = run([sys.executable, ROOT / "tools/get_smollm2.py", options.work])[0].strip()
            self.nibble("quantize", source, "-o", self.base, "--type", "f32")

    def nibble(self, *arguments):
        return run([self.options.nibble, *arguments, "--quiet"])

    def quantize(self, one, out):
        command = ["quantize", self.base, "-o", out, "--type", one["type"], *one["flags"]]
        calibration = ["--calibration", self.options.arc]
        if one["method"] in ("wanda", "sparsegpt"):
            command += ["--prune", one["method"]]
        elif one["method"] == "imatrix":
            matrix = self.options.work / "imatrix.gguf"
            _, seconds, memory = self.nibble("imatrix", self.base, "-o", matrix, *calibration)
            _, more, _ = self.nibble(*command, "--imatrix", matrix)
            return seconds + more, memory
        else:
            command += ["--method", one["method"]]
        return self.nibble(*command, *(calibration if one["method"] in CALIBRATES else []))[1:]

    def measure(self, one):
        out = self.options.work / "out.gguf"
        cache = ["--kv-type", one["type"]] if one["method"] == "kv" else []
        model, (seconds, memory) = (self.base, (0, 0)) if cache else (out, self.quantize(one, out))
        bits = json.loads(self.nibble("inspect", model, "--json")[0])["bits_per_weight"]
        saved = self.options.work / f"base-{self.options.chunks}.gguf"
        base = [saved] if saved.exists() else [self.base, "--save-base-logits", saved]
        arc, kld = json.loads(self.nibble("eval", model, "--arc", self.options.arc, "--limit", self.options.limit,
                                          "--kld", self.options.text, "--chunks", self.options.chunks, *cache,
                                          "--json", "--base", *base)[0])
        out.unlink(missing_ok=True)
        return {**one, "bits_per_weight": bits, "seconds": seconds, "memory": memory, "acc": arc["acc"],
                "acc_stderr": arc["acc_stderr"], "right": [q["pred"] == q["gold"] for q in arc["questions"]],
                **{k: kld[k] for k in ("kld", "kld_stderr", "perplexity", "base_perplexity")}}

    def original(self):
        arc = json.loads(self.nibble("eval", self.base, "--arc", self.options.arc, "--limit", self.options.limit,
                                     "--json")[0])
        return {"acc": arc["acc"], "acc_stderr": arc["acc_stderr"],
                "right": [q["pred"] == q["gold"] for q in arc["questions"]]}

    def all(self):
        cases = {"original": self.original}
        for one in CASES:
            key = " ".join([one["method"], one["type"], *one["flags"]])
            if self.options.only in key:
                cases[key] = lambda one=one: self.measure(one)
        for key, measure in cases.items():
            if key not in self.results:
                self.results[key] = measure()
                self.file.write_text(json.dumps(self.results))
            print(key, {k: v for k, v in self.results[key].items() if k not in ("right", "flags")}, flush=True)
        return self.results


def paired(right, base):
    """Accuracy's difference from the original in points, and its standard error over the questions."""
    n = len(base)
    differences = [int(a) - int(b) for a, b in zip(right, base)]
    mean = sum(differences) / n
    variance = sum((d - mean) ** 2 for d in differences) / (n - 1)
    return 100 * mean, 100 * (variance / n) ** 0.5


def table(results, options):
    base = results["original"]
    lines = [
        f"SmolLM2-135M-Instruct with its weights as F32 as the original; {options.chunks} chunks of 512 tokens of "
        f"WikiText-2's test text; {len(base['right'])} of ARC's test questions, of which the original answers "
        f"{100 * base['acc']:.1f} ± {100 * base['acc_stderr']:.1f} % rightly; calibrated on 32 x 512 tokens of ARC's "
        "train split. ARC: difference from the original with the standard error of the paired difference. Processor "
        "time (of all threads together: on two cores half of it passes) and largest memory are those of quantizing, "
        "calibration included. Types of 3 and 2 bits need rows that divide by "
        "256, which one matrix in seven of this model has: the others fall back to 4 bits (IQ4_NL) and the embedding to "
        "8, which the bits per weight tell.", "",
        "| bits | method | type | bits per weight | KL divergence | perplexity | ARC, points | processor time, s | memory, MB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for r in results.values():
        if "method" not in r:
            continue
        difference, error = paired(r["right"], base["right"])
        cost = f"{r['seconds']:.0f} | {r['memory'] / 1e6:.0f}" if r["seconds"] else "- | -"
        lines.append(f"| {r['bits']} | {r['name']} | {r['type'].upper()} | {r['bits_per_weight']:.2f} | "
                     f"{r['kld']:.4f} ± {r['kld_stderr']:.4f} | {r['perplexity']:.2f} | {difference:+.1f} ± {error:.1f} | "
                     f"{cost} |")
    perplexity = next((r["base_perplexity"] for r in results.values() if "base_perplexity" in r), None)
    if perplexity is not None:
        lines.append(f"\nThe original's perplexity on these chunks is {perplexity:.2f}.")
    return "\n".join(lines)


def write_page(page, text):
    content = page.read_text()
    before, rest = content.split(BEGIN)
    page.write_text(before + BEGIN + "\n" + text + "\n" + END + rest.split(END)[1])


def main():
    options = parse_arguments()
    results = Review(options).all()
    if len(results) <= len(CASES):
        print(f"{table(results, options)}\n\n{options.page} is left as it is: not all cases are measured")
        return
    write_page(options.page, table(results, options))
    print(f"written into {options.page}")


if __name__ == "__main__":
    main()
