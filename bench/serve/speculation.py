#!/usr/bin/env python3
"""What speculation brings: the speed of an answer with drafts beside the same answer without them.

    python3 bench/serve/speculation.py MODEL [--tokens 200] [--rounds 5] [--serve "--draft-model SMALL"]

Starts `nibble serve` on a free port and asks greedily for answers that repeat their prompt (an edit of code, a
correction, a copy) and for such as do not (stories, explanations), with and without drafts in alternation. What
counts is the server's own time for the answer, the prompt's left out; ratios are medians over the rounds.
"""

import argparse
import pathlib
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from serve_process import Server  # noqa: E402

CODE = """class Account:
    def __init__(self, owner, balance=0):
        self.owner = owner
        self.balance = balance

    def deposit(self, amount):
        if amount <= 0:
            raise ValueError("the amount must be positive")
        self.balance += amount
        return self.balance

    def withdraw(self, amount):
        if amount > self.balance:
            raise ValueError("the balance is too small")
        self.balance -= amount
        return self.balance
"""
TEXT = """The harbour of Marrow was built in 1871 by the brothers Ansel and Piet Vroom, who had made their money with \
salted herring. Its northern pier is 340 metres long and carries a lighthouse of red brick, which was lit for the \
first time on the 3rd of November 1874. In the winter of 1912 a storm broke the southern pier in two places; it was \
mended with granite from the quarries of Hale. Today the harbour shelters forty fishing boats and a ferry."""
REPEATING = {
    "code edit": f"Add a method named close to this class and print the whole class:\n\n```python\n{CODE}```",
    "copy": f"Repeat this text word for word:\n\n{TEXT}",
    "correction": f"Correct the spelling of this text and write all of it:\n\n{TEXT.replace('harbour', 'harbur')}",
    "summary": f"Summarize this text with its own sentences:\n\n{TEXT}",
}
OTHERS = {
    "story": "Tell a story about a fox who learns to read.",
    "explanation": "Explain why the sky is blue.",
    "letter": "Write a letter to a friend about a journey by train.",
    "advice": "How does one learn to play the piano?",
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--tokens", type=int, default=200, help="of an answer, at most")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--nibble", type=pathlib.Path, default=ROOT / "build/release/nibble")
    parser.add_argument("--serve", default="", help="flags of nibble serve")
    return parser.parse_args()


def ask(server, prompt, tokens, speculation):
    body = {"messages": [{"role": "user", "content": prompt}], "max_tokens": tokens, "temperature": 0,
            "speculation": speculation}
    answer = server.json("POST", "/v1/chat/completions", body)
    return answer["choices"][0]["message"]["content"], answer["timings"]


def measure(server, prompt, options):
    """The ratio of each round, and how many of the answer's tokens came from drafts."""
    ratios, accepted = [], 0
    for _ in range(options.rounds):
        plain, without = ask(server, prompt, options.tokens, False)
        drafted, with_drafts = ask(server, prompt, options.tokens, True)
        if plain != drafted:
            raise SystemExit(f"the answer with drafts is another one:\n{plain}\n---\n{drafted}")
        ratios.append(with_drafts["decode_tokens_per_s"] / without["decode_tokens_per_s"])
        accepted = with_drafts["accepted"]
    return ratios, accepted


def main():
    options = parse_arguments()
    with Server(options.nibble, options.model, "--quiet", *options.serve.split()) as server:
        for title, prompts in (("repeat their prompt", REPEATING), ("do not", OTHERS)):
            print(f"answers that {title}")
            medians = []
            for name, prompt in prompts.items():
                ratios, accepted = measure(server, prompt, options)
                medians.append(statistics.median(ratios))
                print(f"  {name:12} {medians[-1]:.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f}), "
                      f"{accepted} tokens from drafts", flush=True)
            print(f"  median       {statistics.median(medians):.2f}")


if __name__ == "__main__":
    main()
