"""nibble chat: in pipes, and on a terminal made with pty."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest
import tiny_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_model.write(tmp_path_factory.mktemp("tiny") / "tiny.gguf", context=512)


PROMPT, MORE = (mark + r"(\x1b\[0m)? " for mark in (">>>", r"\.\.\."))


class Terminal:
    """A program on a terminal of its own: type at it, and wait for what it prints."""

    def __init__(self, command, directory, **environment):
        self.master, slave = pty.openpty()
        env = {**os.environ, "TERM": "xterm", "XDG_STATE_HOME": str(directory), "LC_ALL": "C.UTF-8", **environment}
        self.process = subprocess.Popen([str(c) for c in command], stdin=slave, stdout=slave, stderr=slave, env=env,
                                        close_fds=True, start_new_session=True, preexec_fn=self.take_terminal)
        os.close(slave)
        self.seen = ""

    @staticmethod
    def take_terminal():
        import fcntl
        import termios
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def expect(self, pattern, timeout=30):
        """What comes up to the pattern; it is taken away."""
        end = time.monotonic() + timeout
        while not (match := re.search(pattern, self.seen)):
            left = end - time.monotonic()
            assert left > 0, f"no {pattern!r} in {self.seen!r}"
            if select.select([self.master], [], [], left)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:
                    data = b""
                assert data, f"ended without {pattern!r}: {self.seen!r}"
                self.seen += data.decode("utf-8", "replace")
        before, self.seen = self.seen[:match.start()], self.seen[match.end():]
        return before

    def type(self, text):
        os.write(self.master, text.encode())

    def line(self, text):
        self.type(text + "\r")

    def ended(self, timeout=30):
        """Reads the rest and returns the exit status."""
        end = time.monotonic() + timeout
        while time.monotonic() < end and self.process.poll() is None:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    os.read(self.master, 65536)
                except OSError:
                    break
        return self.process.wait(timeout=5)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal(nibble_bin, tiny, tmp_path):
    opened = []

    def open_terminal(*arguments, model=tiny, **environment):
        arguments = arguments or ("--seed", "5", "--max-new-tokens", "20")
        term = Terminal([nibble_bin, "chat", model, *arguments], tmp_path, **environment)
        opened.append(term)
        term.expect(r"/help")
        term.expect(PROMPT)
        return term

    yield open_terminal
    for term in opened:
        term.close()


def test_pipe_answers_each_line(nibble, tiny):
    result = nibble("chat", tiny, "--greedy", "--max-new-tokens", 6, input="hi\n\nthere\n")
    assert result.stderr.count("tokens/s)") == 2
    assert "\033" not in result.stdout + result.stderr
    assert nibble("chat", tiny, "--greedy", "--max-new-tokens", 6, "--quiet", input="hi\n").stderr == ""


def test_prompt_flag_equals_a_piped_line(nibble, tiny):
    arguments = (tiny, "--seed", 3, "--max-new-tokens", 12, "--quiet")
    assert nibble("chat", *arguments, "-p", "hello").stdout == nibble("chat", *arguments, input="hello\n").stdout


def test_piped_commands_and_multi_line(nibble, tiny, tmp_path):
    script = f'one\\\ntwo\n"""\nthree\nfour\n"""\n/save {tmp_path}/talk.json\n'
    nibble("chat", tiny, "--greedy", "--max-new-tokens", 4, input=script)
    messages = json.loads((tmp_path / "talk.json").read_text(encoding="utf-8"))["messages"]
    assert [m["content"] for m in messages if m["role"] == "user"] == ["one\ntwo", "three\nfour"]


def test_piped_errors_end_with_status_1(nibble, tiny):
    result = nibble("chat", tiny, input="/nonsense\n", check=False)
    assert result.returncode == 1 and "/nonsense" in result.stderr
    result = nibble("chat", tiny, "--template", "nonsense", input="hi\n", check=False)
    assert result.returncode == 2 and "alpaca" in result.stderr


def test_piped_bytes_that_are_no_text(nibble_bin, tiny):
    result = subprocess.run([nibble_bin, "chat", tiny, "--greedy", "--max-new-tokens", "4"], timeout=60,
                            input=b"\xff\xfe bytes\r\n", capture_output=True)
    assert result.returncode in (0, 1)
    result.stdout.decode(), result.stderr.decode()


def test_terminal_answers_and_leaves(terminal):
    term = terminal()
    term.line("hello")
    term.expect(r"tokens/s \(prefill")
    term.expect(r"memory \d+ MB, context \d+ of 512")
    term.expect(PROMPT)
    term.line("/quit")
    assert term.ended() == 0


def test_control_d_leaves(terminal):
    term = terminal()
    term.type("\x04")
    assert term.ended() == 0


def test_control_c_at_the_prompt_clears_the_line_and_twice_leaves(terminal):
    term = terminal()
    for _ in range(2):
        term.type("never sent")
        term.expect("never sent")  # a terminal forgets what is not read yet at Ctrl-C
        term.type("\x03")
        term.expect(PROMPT)
    term.line("/show")
    term.expect(r"exchanges +0")
    term.expect(PROMPT)
    term.type("\x03")
    term.expect(r"Ctrl-C again")
    term.expect(PROMPT)
    term.type("never sent")
    term.expect("never sent")
    term.type("\x03")
    term.expect(PROMPT)
    term.type("\x03")
    term.expect(r"Ctrl-C again")
    term.expect(PROMPT)
    term.type("\x03")
    assert term.ended() == 0


def test_control_c_stops_the_answer_and_not_the_program(terminal):
    term = terminal("--max-new-tokens", "400", "--temperature", "0.01")
    for _ in range(5):
        term.line("go on")
        term.expect(r"go on\r?\n")
        time.sleep(0.01)
        term.type("\x03")
        term.expect(r"context \d+ of 512")
        term.expect(PROMPT)
    term.line("/quit")
    assert term.ended() == 0


def test_commands(terminal, tmp_path):
    term = terminal()

    def command(line, answer):
        term.line(line)
        found = term.expect(answer)
        term.expect(PROMPT)
        return found

    command("/help", r"/regenerate")
    command("/set temperature 0.7", r"temperature: 0.7")
    command("/set top-k 5", r"top_k: 5")
    command("/set top_p 7", r"top_p is 7")
    command("/set nonsense 7", r"there is no parameter 'nonsense'")
    command("/set greedy on", r"greedy: on")
    command("/system You are brief.", r"system message: You are brief.")
    command("/show", r"temperature +0\.7")
    command("/regenerate", r"there is no answer yet")
    command("first message", r"context \d+ of")
    command("/regenerate", r"context \d+ of")
    command(f"/save {tmp_path}/talk.json", r"saved 1 exchange")
    command("/clear", r"begins anew")
    command("/show", r"exchanges +0")
    command(f"/load {tmp_path}/talk.json", r"loaded 1 exchange")
    command("/show", r"exchanges +1")
    command("/load /nonexistent.json", r"nonexistent")
    command("/template alpaca", r"template: alpaca")
    command("/template wrong", r"alpaca, chatml, llama2")
    command("/template model", r"template: model")
    command("/wrong", r"there is no command /wrong")
    saved = json.loads((tmp_path / "talk.json").read_text(encoding="utf-8"))
    assert saved["system"] == "You are brief."
    assert saved["parameters"]["temperature"] == "0.7"
    assert [m["role"] for m in saved["messages"]] == ["user", "assistant"]


def test_multi_line_and_paste_are_one_message(terminal, tmp_path):
    term = terminal()
    term.line("one\\")
    term.expect(MORE)
    term.line("two")
    term.expect(r"context \d+ of")
    term.expect(PROMPT)
    term.type("pasted\rtogether\r")
    term.expect(r"context \d+ of")
    term.expect(PROMPT)
    term.line(f"/save {tmp_path}/talk.json")
    term.expect("saved")
    messages = json.loads((tmp_path / "talk.json").read_text(encoding="utf-8"))["messages"]
    assert [m["content"] for m in messages if m["role"] == "user"] == ["one\ntwo", "pasted\ntogether"]


def test_history_is_kept_and_private(terminal, tmp_path):
    term = terminal()
    term.line("remember me")
    term.expect(r"context \d+ of")
    term.expect(PROMPT)
    term.line("/quit")
    assert term.ended() == 0
    file = tmp_path / "nibble" / "chat_history"
    assert file.stat().st_mode & 0o777 == 0o600
    again = terminal()
    again.type("\x1b[A\x1b[A")
    again.expect("remember me")


def test_completion(terminal):
    term = terminal()
    term.type("/set rep\t")
    term.expect("etition_penalty ")
    term.type("2\r")
    term.expect("repetition_penalty: 2")


def test_utf8_input(terminal, tmp_path):
    term = terminal()
    term.line("grüße 🙂")
    term.expect(r"context \d+ of")
    term.expect(PROMPT)
    term.line(f"/save {tmp_path}/talk.json")
    term.expect("saved")
    assert json.loads((tmp_path / "talk.json").read_text(encoding="utf-8"))["messages"][0]["content"] == "grüße 🙂"


def test_no_color(terminal):
    for environment, dimmed in (({}, True), ({"NO_COLOR": "1"}, False)):
        term = terminal(**environment)
        term.line("/show")
        assert ("\033[2m" in term.expect("exchanges")) == dimmed


def test_a_full_context_is_told(terminal):
    term = terminal("--context", "160", "--max-new-tokens", "30")
    for _ in range(6):
        term.line("some words that fill the context")
        text = term.expect(r"context \d+ of 160")
        term.expect(PROMPT)
        if "no longer sees" in text:
            break
    else:
        pytest.fail("the context never filled")
    term.line("x" * 200)
    term.expect("shorten it")


def test_real_model(nibble, smol_model):
    result = nibble("chat", smol_model, "-p", "hi there", "--greedy", "--max-new-tokens", 30)
    assert result.stdout.startswith("Hello")
    assert re.search(r"tokens/s .*memory \d+ MB, context \d+ of \d+", result.stderr)


def test_real_model_interrupted_in_a_pipe(nibble_bin, smol_model):
    process = subprocess.Popen([nibble_bin, "chat", smol_model, "-p", "Tell a very long story.", "--max-new-tokens",
                                "3000"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    process.stdout.read()
    assert process.wait(timeout=60) == -signal.SIGINT
