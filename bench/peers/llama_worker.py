"""Measures llama.cpp through llama-cpp-python's low-level API, as llama-bench does: random tokens, a warm-up,
then the timed run. Runs in the environment of llama-cpp-python; prints one JSON object.

    python llama_worker.py MODEL --prompt 512 --generate 64 --batch 1,8 --depth 2048
"""

import argparse
import ctypes
import json
import os
import random
import sys
import time

import llama_cpp as llama


class Engine:
    """A model, and the context that is open."""

    def __init__(self, path, threads):
        self.threads = threads
        llama.llama_backend_init()
        parameters = llama.llama_model_default_params()
        parameters.n_gpu_layers = 0
        start = time.perf_counter()
        self.model = llama.llama_model_load_from_file(path.encode(), parameters)
        if not self.model:
            sys.exit(f"llama.cpp cannot load {path}")
        self.vocab = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.load_s = time.perf_counter() - start

    def open(self, context_tokens, sequences=1):
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = context_tokens * sequences
        parameters.n_seq_max = sequences
        parameters.n_threads = parameters.n_threads_batch = self.threads
        self.context = llama.llama_init_from_model(self.model, parameters)
        if not self.context:
            sys.exit("llama.cpp cannot make a context")
        self.batch = llama.llama_batch_init(512, 0, sequences)

    def close(self):
        llama.llama_batch_free(self.batch)
        llama.llama_free(self.context)

    def clear(self):
        llama.llama_memory_clear(llama.llama_get_memory(self.context), True)

    def decode(self, entries):
        """entries: (sequence, position, wants logits) of each token."""
        batch = self.batch
        batch.n_tokens = len(entries)
        for i, (sequence, position, logits) in enumerate(entries):
            batch.token[i] = random.randrange(self.vocab)
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = logits
        status = llama.llama_decode(self.context, batch)
        if status != 0:
            sys.exit(f"llama_decode failed with {status}")

    def prefill(self, tokens):
        for begin in range(0, tokens, 512):
            self.decode([(0, i, i == tokens - 1) for i in range(begin, min(begin + 512, tokens))])
        llama.llama_synchronize(self.context)

    def generate(self, tokens, sequences=1, first=0):
        for i in range(first, first + tokens):
            self.decode([(s, i, True) for s in range(sequences)])
            llama.llama_synchronize(self.context)


def keep_errors(level, text, _):
    if level == 4:  # GGML_LOG_LEVEL_ERROR
        sys.stderr.write(text.decode(errors="replace"))


def timed(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def reach_depth(engine, depth, state):
    """Fills the cache with `depth` tokens: from the state file when there is one, else by prefill."""
    tokens, count = (llama.llama_token * max(1, depth))(), ctypes.c_size_t()
    if state and os.path.exists(state):
        if llama.llama_state_seq_load_file(engine.context, state.encode(), 0, tokens, depth, ctypes.byref(count)):
            return
        engine.clear()
    engine.prefill(depth)
    if state and depth:
        llama.llama_state_seq_save_file(engine.context, state.encode(), 0, tokens, depth)


def measure_prefill(engine, options):
    engine.open(max(options.prompt, 512) + 64)
    engine.prefill(min(options.warm_up, options.prompt))
    rates = []
    for _ in range(options.repeat):
        engine.clear()
        rates.append(options.prompt / timed(lambda: engine.prefill(options.prompt)))
    engine.close()
    return {"tokens": options.prompt, "tokens_per_s": rates}


def measure_decode(engine, options, sequences, depth):
    engine.open(depth + options.generate + 64, sequences)
    if depth:
        reach_depth(engine, depth, options.state)
    memory = llama.llama_get_memory(engine.context)

    def back_to_depth():
        for sequence in range(sequences):
            llama.llama_memory_seq_rm(memory, sequence, depth, -1)

    engine.generate(1, sequences, depth)
    rates = []
    for _ in range(options.repeat):
        back_to_depth()
        seconds = timed(lambda: engine.generate(options.generate, sequences, depth))
        rates.append(options.generate * sequences / seconds)
    engine.close()
    return {"tokens": options.generate, "batch": sequences, "depth": depth, "tokens_per_s": rates}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--prompt", type=int, default=0)
    parser.add_argument("--warm-up", type=int, default=32, help="tokens of prefill before the one that counts")
    parser.add_argument("--generate", type=int, default=0)
    parser.add_argument("--batch", default="", help="sequences that decode together, such as 1,8")
    parser.add_argument("--depth", type=int, default=0)
    parser.add_argument("--state", help="file that keeps the cache at --depth between runs")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--no-avx512", action="store_true", help="fail when the library was built with AVX-512")
    options = parser.parse_args()
    log = llama.llama_log_callback(keep_errors)
    llama.llama_log_set(log, ctypes.c_void_p(0))

    if options.no_avx512 and b"AVX512 = 1" in llama.llama_print_system_info():
        sys.exit("this llama.cpp was built with AVX-512")
    engine = Engine(options.model, options.threads)
    result = {"version": llama.__version__, "load_s": engine.load_s, "prefill": [], "decode": []}
    if options.prompt:
        result["prefill"].append(measure_prefill(engine, options))
    for sequences in (int(b) for b in options.batch.split(",") if b):
        result["decode"].append(measure_decode(engine, options, sequences, 0))
    if options.depth:
        result["decode"].append(measure_decode(engine, options, 1, options.depth))
    with open("/proc/self/status") as status:
        peak_kb = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    print(json.dumps({**result, "peak_rss_bytes": peak_kb * 1024}))


if __name__ == "__main__":
    main()
