#!/usr/bin/env python3
"""What `nibble optimize` reaches: its curve of size and loss beside those of single methods, and how well it
predicts.

    python3 bench/optimize/run.py f32.gguf --calibration ARC_DIR --text wiki.test.raw --work DIR

Makes the analysis once, then one file for each of --sizes, one for each single method and type, and one for each
of --recipes random recipes; all are measured on the same chunks of the text. Files that are measured are deleted;
figures go to DIR/results.json after each, and a second run goes on where it was.
"""

import argparse
import json
import pathlib
import random
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The ones that come nearest first.
SINGLE = [("awq", ["iq4_nl"]), ("gptq", ["int4", "--group", "64", "--pure"]), ("gptq", ["iq4_nl", "--pure"]),
          ("awq", ["iq4_nl", "--pure"]), ("awq", ["q5_0"]), ("awq", ["q4_0"]), ("imatrix", ["iq4_nl"]),
          ("gptq", ["q5_0"]), ("awq", ["int4", "--group", "64", "--pure"]), ("imatrix", ["q5_0"]),
          ("imatrix", ["q4_k_m"]), ("gptq", ["q4_k_m"]), ("gptq", ["iq4_nl"]), ("gptq", ["q4_0"]),
          ("imatrix", ["q4_0"]), ("rtn", ["q8_0"]), ("rtn", ["q5_0"]), ("rtn", ["iq4_nl"]), ("rtn", ["q4_0"]),
          ("rtn", ["q4_k_m"])]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--calibration", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--types", default="all,-q4_1,-q5_1,-uint4_g64,-uint4_g128",
                        help="of optimize; the default leaves out what SmolLM2's file lies on already")
    parser.add_argument("--sizes", default="70,73,76,79,82,86,90,96,105,115", help="MB")
    parser.add_argument("--recipes", type=int, default=10)
    parser.add_argument("--chunks", type=int, default=20)
    parser.add_argument("--what", default="sizes,recipes,single")
    parser.add_argument("--nibble", default=ROOT / "build/release/nibble")
    return parser.parse_args()


class Run:
    def __init__(self, options):
        self.options = options
        self.calibration = ["--calibration", options.calibration]
        self.file = options.work / "results.json"
        options.work.mkdir(parents=True, exist_ok=True)
        self.results = json.loads(self.file.read_text()) if self.file.exists() else {}

    def nibble(self, *arguments):
        command = [str(a) for a in (self.options.nibble, *arguments, "--quiet")]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            raise SystemExit(f"{' '.join(command)}: {run.stderr}")
        return run.stdout

    def once(self, key, measure):
        if key not in self.results:
            self.results[key] = measure()
            self.file.write_text(json.dumps(self.results, indent=1))
            print(key, {k: v for k, v in self.results[key].items() if k != "kinds"}, flush=True)
        return self.results[key]

    def evaluate(self, path):
        bits = json.loads(self.nibble("inspect", path, "--json"))["bits_per_weight"]
        saved = self.options.work / f"base-{self.options.chunks}.gguf"
        base = [saved] if saved.exists() else [self.options.model, "--save-base-logits", saved]
        kld = json.loads(self.nibble("eval", path, "--kld", self.options.text, "--chunks", self.options.chunks,
                                     "--json", "--base", *base))
        size = path.stat().st_size
        path.unlink()
        return {"bytes": size, "bits_per_weight": bits, "kld": kld["kld"], "kld_stderr": kld["kld_stderr"],
                "perplexity": kld["perplexity"]}

    def optimize(self, size):
        work = self.options.work
        analysis = work / "report" / "analysis.json"
        source = ["--analysis", analysis] if analysis.exists() else ["--types", self.options.types, "--report", work / "report"]
        out = work / "out.gguf"
        report = json.loads(self.nibble("optimize", self.options.model, "-o", out, "--max-size", f"{size}MB",
                                        *self.calibration, "--text", self.options.text, "--chunks",
                                        self.options.chunks, "--limit", 1, "--steps", 1, *source, "--json"))
        out.unlink()
        step = report["steps"][0]
        return {"bytes": step["file_bytes"], "bits_per_weight": step["bits_per_weight"], "kld": step["kld"],
                "kld_stderr": step["kld_stderr"], "perplexity": step["perplexity"], "predicted": step["predicted"]["kld"]}

    def random_recipe(self, seed):
        """Around one number of bits, each matrix with a candidate of its own."""
        pick = random.Random(seed)
        tensors = json.loads((self.options.work / "report" / "analysis.json").read_text())["tensors"]
        level = 0.12 + 0.7 * pick.random()
        recipe, predicted = {}, 0
        for tensor in tensors:
            ways = sorted(tensor["candidates"], key=lambda c: c["bytes"])
            way = ways[min(len(ways) - 1, max(0, round(level * len(ways) + pick.gauss(0, 1.2) - 0.5)))]
            recipe[tensor["name"]] = {"type": way["type"].lower(), "method": way["method"]}
            predicted += way["kld"]
        path, out = self.options.work / "recipe.json", self.options.work / "out.gguf"
        path.write_text(json.dumps({"nibble_recipe": 1, "name": "RANDOM", "type": "q8_0", "method": "gptq", "tensors": recipe}))
        self.nibble("quantize", self.options.model, "-o", out, "--recipe", path, *self.calibration)
        return {**self.evaluate(out), "predicted": predicted}

    def single(self, method, flags):
        out = self.options.work / "out.gguf"
        extra = []
        if method == "imatrix":
            matrix = self.options.work / "imatrix.gguf"
            if not matrix.exists():
                self.nibble("imatrix", self.options.model, "-o", matrix, *self.calibration)
            extra, method = ["--imatrix", matrix], "rtn"
        elif method != "rtn":
            extra = self.calibration
        self.nibble("quantize", self.options.model, "-o", out, "--type", *flags, "--method", method, *extra)
        return self.evaluate(out)


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    result = [0] * len(values)
    for rank, i in enumerate(order):
        result[i] = rank
    return result


def rank_correlation(a, b):
    """Spearman's, for values without ties."""
    n = len(a)
    return 1 - 6 * sum((x - y) ** 2 for x, y in zip(ranks(a), ranks(b))) / (n * (n * n - 1))


def main():
    options = parse_arguments()
    run = Run(options)
    if "sizes" in options.what:
        for size in options.sizes.split(","):
            run.once(f"optimize {size} MB", lambda: run.optimize(size))
    if "recipes" in options.what:
        for seed in range(options.recipes):
            run.once(f"random {seed}", lambda: run.random_recipe(seed))
    if "single" in options.what:
        for method, flags in SINGLE:
            run.once(f"{method} {' '.join(flags)}", lambda: run.single(method, flags))
    print(f"\n{'':32} {'MB':>7} {'bits':>6}  KL divergence")
    for key, r in sorted(run.results.items(), key=lambda item: item[1]["bytes"]):
        print(f"{key:32} {r['bytes'] / 1e6:7.1f} {r['bits_per_weight']:6.3f}  {r['kld']:.4f} ± {r['kld_stderr']:.4f}")
    predicted = [r for r in run.results.values() if "predicted" in r]
    if len(predicted) > 2:
        rho = rank_correlation([r["predicted"] for r in predicted], [r["kld"] for r in predicted])
        print(f"\nrank correlation of predicted and measured loss over {len(predicted)} recipes: {rho:.3f}")


if __name__ == "__main__":
    main()
