"""Many clients for a while: no wrong answer, no leak. NIBBLE_SOAK_SECONDS says how long (default 120), and
NIBBLE_SOAK_REQUESTS how many requests at most."""
import json
import os
import random
import threading
import time

from serve_process import Server, post

SECONDS = float(os.environ.get("NIBBLE_SOAK_SECONDS", 120))
REQUESTS = int(os.environ.get("NIBBLE_SOAK_REQUESTS", 10000))
CLIENTS = 8
# Of the resident size, between the middle of the run and its end; and bytes that a short run still fills:
# the prompt cache, and threads' own heaps.
GROWTH, SETTLING = 0.02, 8e6 if SECONDS < 300 else 0
QUESTIONS = ["What is 2+2?", "Name three colours.", "Write a line about the sea.", "Who wrote Hamlet?",
             "Say hello in French.", "What is the largest planet?", "Count to five.", "Why is the sky blue?"]


class Soak:
    def __init__(self, server):
        self.server = server
        self.bodies = [{"messages": [{"role": "user", "content": question}], "max_tokens": 8 + 4 * i, "temperature": 0}
                       for i, question in enumerate(QUESTIONS)]
        self.alone = [self.text(body) for body in self.bodies]
        self.lock = threading.Lock()
        self.done = self.cut = 0
        self.problems = []
        self.end = time.monotonic() + SECONDS

    def text(self, body):
        return self.server.json("POST", "/v1/chat/completions", body)["choices"][0]["message"]["content"]

    def streamed(self, body):
        text = self.server.request("POST", "/v1/chat/completions", {**body, "stream": True})[2].decode()
        events = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
        assert events[-1] == "[DONE]", text[-200:]
        chunks = [json.loads(event) for event in events[:-1]]
        return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks)

    def go_away(self, body, rng):
        """Leaves at any moment."""
        with self.server.connect() as connection:
            connection.sendall(post("/v1/chat/completions", {**body, "stream": True, "max_tokens": 200}))
            time.sleep(rng.random() * 0.3)

    def client(self, number):
        rng = random.Random(number)
        while time.monotonic() < self.end and not self.problems:
            with self.lock:
                if self.done >= REQUESTS:
                    return
                self.done += 1
            which = rng.randrange(len(self.bodies))
            try:
                if rng.random() < 0.1:
                    self.go_away(self.bodies[which], rng)
                    with self.lock:
                        self.cut += 1
                else:
                    answer = (self.streamed if rng.random() < 0.5 else self.text)(self.bodies[which])
                    if answer != self.alone[which]:
                        self.problems.append(f"{QUESTIONS[which]}: {answer!r}, alone {self.alone[which]!r}")
            except Exception as error:
                self.problems.append(repr(error))

    def run(self):
        threads = [threading.Thread(target=self.client, args=(i,)) for i in range(CLIENTS)]
        for thread in threads:
            thread.start()
        sizes = []
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.2)
            sizes.append(self.server.resident())
        for thread in threads:
            thread.join()
        return sizes


def test_soak(nibble_bin, smol_model):
    with Server(nibble_bin, smol_model) as server:
        soak = Soak(server)
        sizes = soak.run()
        assert not soak.problems, soak.problems[:3]
        server.wait_idle()
        middle, last = max(sizes[len(sizes) // 3:len(sizes) // 2]), max(sizes[-len(sizes) // 6:])
        print(f"{soak.done} requests, {soak.cut} cut off, {middle / 1e6:.1f} MB in the middle, {last / 1e6:.1f} MB at the end")
        assert last <= middle * (1 + GROWTH) + SETTLING, (middle, last)
        assert server.stop() == 0
