"""Measures Neural Speed's llama module: random tokens, a warm-up, then the timed run. Prints one JSON object.

    python neural_speed_worker.py MODEL.bin --prompt 512 --generate 64 --depth 2048
"""

import argparse
import json
import os
import random
import tempfile
import time

from neural_speed_env import llama_module

VOCAB = 32000


def resident_kb(key):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key + ":"))


def random_tokens(count, first):
    """The prompt's first token has to be the begin token, which is 1; 0 and 2 are special too."""
    return [1 if first + i == 0 else random.randrange(3, VOCAB) for i in range(count)]


def timed(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(options):
    model = llama_module().Model()
    context = max(options.prompt, options.depth + options.generate, 512) + 64
    load_s = timed(lambda: model.init_model(options.model, n_batch=512, ctx_size=context,
                                            threads=options.threads, max_request_num=1))
    model.evaluate([random_tokens(1, 0)])
    result = {"version": "1.0", "load_s": load_s, "loaded_rss_bytes": resident_kb("VmRSS") * 1024,
              "prefill": [], "decode": []}

    def prefill(tokens):
        model.reinit()
        for begin in range(0, tokens, 512):
            model.evaluate([random_tokens(min(512, tokens - begin), begin)])

    def decode(tokens):
        for _ in range(tokens):
            model.evaluate([random_tokens(1, 1)])

    if options.prompt:
        prefill(min(32, options.prompt))
        rates = [options.prompt / timed(lambda: prefill(options.prompt)) for _ in range(options.repeat)]
        result["prefill"].append({"tokens": options.prompt, "tokens_per_s": rates})
    depths = ([0] if "1" in options.batch.split(",") else []) + ([options.depth] if options.depth else [])
    for depth in depths:
        rates = []
        for _ in range(options.repeat):
            prefill(max(1, depth))
            decode(1)
            rates.append(options.generate / timed(lambda: decode(options.generate)))
        result["decode"].append({"tokens": options.generate, "batch": 1, "depth": depth,
                                 "tokens_per_s": rates})
    result["peak_rss_bytes"] = resident_kb("VmHWM") * 1024
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--prompt", type=int, default=0)
    parser.add_argument("--generate", type=int, default=0)
    parser.add_argument("--batch", default="", help="1: decode; more than one sequence is not measured")
    parser.add_argument("--depth", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    # Neural Speed logs to stdout and stderr, errors too: they go to a file, and the result to stdout.
    answer = os.dup(1)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        result = measure(options)
        log.seek(0)
        text = log.read().decode(errors="replace")
    failed = "failed to eval" in text
    os.write(answer, (text if failed else json.dumps(result) + "\n").encode())
    os._exit(int(failed))


if __name__ == "__main__":
    main()
