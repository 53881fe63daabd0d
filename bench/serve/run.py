#!/usr/bin/env python3
"""What a server gives several people at once: the sum of their tokens/s beside one client's, and how long a short
request waits for its first token while they are served.

    python3 bench/serve/run.py MODEL [--clients 8] [--tokens 64] [--rounds 3] [--serve "--context 512"]

Starts `nibble serve` on a free port. One client and --clients of them stream answers of --tokens tokens, in
alternation; each has a prompt of its own, so that the prompt cache helps nobody, and tokens 0 and 2, which end a
text, are ruled out. Drafts are off: models of random weights repeat themselves, which drafts guess. Times are
those that clients see, from sending the request on; medians over the rounds.
"""

import argparse
import http.client
import json
import pathlib
import statistics
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from serve_process import Server  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64, help="of an answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nibble", type=pathlib.Path, default=ROOT / "build/release/nibble")
    parser.add_argument("--serve", default="", help="flags of nibble serve")
    return parser.parse_args()


class Answer(threading.Thread):
    """One streamed request: when its tokens came, as seconds of time.monotonic()."""

    def __init__(self, server, number, tokens):
        super().__init__()
        self.server = server
        self.body = {"prompt": f"{number}: tell a story.", "max_tokens": tokens, "temperature": 0, "stream": True,
                     "logit_bias": {"0": -100, "2": -100}, "speculation": False,
                     "stream_options": {"include_usage": True}}
        self.first, self.count = None, 0
        self.sent = time.monotonic()
        self.start()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=600)
        connection.request("POST", "/v1/completions", json.dumps(self.body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise SystemExit(response.read().decode())
        for line in response:
            if not line.startswith(b"data: {"):
                continue
            self.first = self.first or time.monotonic()
            self.count = (json.loads(line[6:]).get("usage") or {}).get("completion_tokens", self.count)
        connection.close()


class Load:
    def __init__(self, server, tokens):
        self.server, self.tokens, self.number = server, tokens, 0

    def begin(self, tokens):
        self.number += 1
        return Answer(self.server, self.number, tokens)

    def speed(self, clients):
        """Sum of tokens/s, from the first request to the last token."""
        start = time.monotonic()
        answers = [self.begin(self.tokens) for _ in range(clients)]
        for answer in answers:
            answer.join()
        return sum(answer.count for answer in answers) / (time.monotonic() - start)

    def wait_under_load(self, clients):
        """Seconds to the first token of a short request that comes while `clients` are served."""
        answers = [self.begin(self.tokens) for _ in range(clients)]
        while any(answer.first is None for answer in answers):
            time.sleep(0.01)
        late = self.begin(4)
        late.join()
        if not any(answer.is_alive() for answer in answers):
            raise SystemExit("the clients were done before the short request: give more --tokens")
        for answer in answers:
            answer.join()
        return late.first - late.sent


def main():
    options = parse_arguments()
    with Server(options.nibble, options.model, "--quiet", *options.serve.split()) as server:
        load = Load(server, options.tokens)
        load.speed(1)  # warms up
        one, many, waits = [], [], []
        for _ in range(options.rounds):
            one.append(load.speed(1))
            many.append(load.speed(options.clients))
            waits.append(load.wait_under_load(options.clients))
    ratio = statistics.median(b / a for a, b in zip(one, many))
    spread = lambda values, unit: f"{statistics.median(values):.3g} {unit} ({min(values):.3g} to {max(values):.3g})"
    print(f"one client         {spread(one, 'tokens/s')}")
    print(f"{options.clients} clients          {spread(many, 'tokens/s')}, {ratio:.2f} times one")
    print(f"one more, first token after  {spread(waits, 's')}")


if __name__ == "__main__":
    main()
