"""nibble serve: OpenAI's API with the real openai client, and what the page uses besides."""
import base64
import json
import math
import struct
import time

import openai
import pytest
import tiny_model
from serve_process import Server

TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"],
                   "additionalProperties": False}}}]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_model.write(tmp_path_factory.mktemp("tiny") / "tiny.gguf", context=1024)


@pytest.fixture(scope="module")
def server(nibble_bin, tiny):
    with Server(nibble_bin, tiny, "--threads", 1) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)


def ask(client, text="hello", **options):
    options = {"temperature": 0, "max_tokens": 12, **options}
    return client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": text}], **options)


def test_models(client):
    assert [m.id for m in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "nibble"


def test_chat_equals_the_command_line(client, nibble, tiny):
    answer = ask(client, max_tokens=20)
    expected = nibble("chat", tiny, "--greedy", "--max-new-tokens", 20, "--quiet", "-p", "hello").stdout
    assert answer.choices[0].message.content == expected.removesuffix("\n")
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 20
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 20
    assert answer.timings["decode_tokens_per_s"] > 0


def test_stream_gives_the_same_in_pieces(client):
    whole = ask(client)
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 12
    assert all(c.usage is None for c in chunks[:-1])
    assert len({c.id for c in chunks}) == 1


def test_stream_without_usage_has_a_choice_in_every_chunk(client):
    chunks = list(ask(client, stream=True))
    assert all(len(c.choices) == 1 for c in chunks)
    assert chunks[-1].timings["decode_s"] > 0


def test_seed_repeats_an_answer(client):
    texts = [ask(client, temperature=1, seed=seed).choices[0].message.content for seed in (7, 7, 0, 0)]
    assert texts[0] == texts[1] and texts[2] == texts[3]
    assert texts[0] != texts[2]
    assert len({ask(client, temperature=1).choices[0].message.content for _ in range(3)}) > 1


def test_choices(client):
    answer = ask(client, temperature=1, seed=3, n=3)
    assert [c.index for c in answer.choices] == [0, 1, 2]
    assert len({c.message.content for c in answer.choices}) > 1
    chunks = list(ask(client, temperature=1, seed=3, n=3, stream=True))
    for choice in answer.choices:
        pieces = [c.choices[0].delta.content or "" for c in chunks if c.choices[0].index == choice.index]
        assert "".join(pieces) == choice.message.content


def test_stop_strings(client):
    text = ask(client, max_tokens=30).choices[0].message.content
    stop = text[8:10]
    answer = ask(client, max_tokens=30, stop=[stop])
    assert answer.choices[0].message.content == text[:text.index(stop)]
    assert answer.choices[0].finish_reason == "stop"


def test_chat_logprobs(client):
    answer = ask(client, logprobs=True, top_logprobs=3)
    tokens = answer.choices[0].logprobs.content
    assert len(tokens) == 12
    for token in tokens:
        assert token.logprob <= 0 and len(token.top_logprobs) == 3
        assert token.logprob == max(t.logprob for t in token.top_logprobs)  # greedy
    assert b"".join(bytes(t.bytes) for t in tokens).decode(errors="replace").strip() \
        == answer.choices[0].message.content.strip()


def test_logit_bias_and_penalties(client):
    forced = ask(client, logit_bias={"65": 100}, max_tokens=5)
    assert forced.choices[0].message.content == "A" * 5  # token 65 of the tiny model is the byte A
    with pytest.raises(openai.BadRequestError, match="logit_bias"):
        ask(client, logit_bias={"99999": 1})
    with pytest.raises(openai.BadRequestError, match="frequency_penalty"):
        ask(client, frequency_penalty=3)


def test_completion_echo_and_logprobs(client, tiny, nibble, tmp_path):
    """The prompt's log-probabilities are those of `nibble logits`, up to the half floats of keys and values."""
    import numpy as np
    prompt = [104, 101, 108, 108, 111]
    answer = client.completions.create(model="tiny", prompt=prompt, max_tokens=1, temperature=0, echo=True, logprobs=1)
    logprobs = answer.choices[0].logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.top_logprobs) == 6
    assert logprobs.token_logprobs[0] is None and logprobs.top_logprobs[0] is None
    nibble("logits", tiny, "--tokens", ",".join(map(str, prompt)), "-o", tmp_path / "logits.npy")
    logits = np.load(tmp_path / "logits.npy").astype(np.float64)
    reference = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    for i, token in enumerate(prompt[1:]):
        assert math.isclose(logprobs.token_logprobs[i + 1], reference[i, token], abs_tol=2e-3)
        assert math.isclose(max(logprobs.top_logprobs[i + 1].values()), reference[i].max(), abs_tol=2e-3)
    assert logprobs.text_offset == list(np.cumsum([0] + [len(t) for t in logprobs.tokens[:-1]]))


def test_completion_of_the_prompt_alone(client):
    answer = client.completions.create(model="tiny", prompt="hello", max_tokens=0, echo=True, logprobs=0)
    assert answer.choices[0].text == "hello"
    assert len(answer.choices[0].logprobs.tokens) == 5
    assert (answer.usage.completion_tokens, answer.usage.total_tokens) == (0, answer.usage.prompt_tokens)


def test_completion_of_many_prompts(client):
    prompts = [f"prompt number {i}" for i in range(40)]
    together = client.completions.create(model="tiny", prompt=prompts, max_tokens=6, temperature=0)
    assert [c.index for c in together.choices] == list(range(40))
    for i in (0, 17, 39):
        alone = client.completions.create(model="tiny", prompt=prompts[i], max_tokens=6, temperature=0)
        assert alone.choices[0].text == together.choices[i].text
    chunks = list(client.completions.create(model="tiny", prompt=prompts[:3], max_tokens=6, temperature=0, stream=True))
    for i in range(3):
        assert "".join(c.choices[0].text for c in chunks if c.choices[0].index == i) == together.choices[i].text
        assert [c.choices[0].finish_reason for c in chunks if c.choices[0].index == i][-1] == "length"


def test_embeddings(client, server):
    both = client.embeddings.create(model="tiny", input=["one text", "another"])  # asks for base64
    plain = server.json("POST", "/v1/embeddings", {"model": "tiny", "input": "one text"})
    assert len(both.data) == 2 and len(both.data[0].embedding) == 32
    assert both.data[0].embedding == pytest.approx(plain["data"][0]["embedding"], abs=1e-7)
    assert both.data[0].embedding != both.data[1].embedding
    assert math.isclose(sum(x * x for x in both.data[0].embedding), 1, abs_tol=1e-4)
    raw = server.json("POST", "/v1/embeddings", {"input": [104, 105], "encoding_format": "base64"})
    assert len(struct.unpack("<32f", base64.b64decode(raw["data"][0]["embedding"]))) == 32


def test_tokenize_and_back(server):
    ids = server.json("POST", "/tokenize", {"prompt": "hé <|im_end|>", "add_special_tokens": False})["tokens"]
    assert ids[-1] == tiny_model.END
    assert server.json("POST", "/detokenize", {"tokens": ids})["prompt"] == "hé <|im_end|>"
    assert server.json("GET", "/tokenizer_info")["eos_token"] == "<|im_end|>"
    chat = server.json("POST", "/tokenize", {"messages": [{"role": "user", "content": "x"}]})["tokens"]
    assert chat[0] == tiny_model.START
    closed = server.json("POST", "/tokenize", {"messages": [{"role": "user", "content": "x"}],
                                               "add_generation_prompt": False})["tokens"]
    assert len(closed) < len(chat) and chat[:len(closed)] == closed
    pieces = server.json("POST", "/tokenize", {"content": "hé", "with_pieces": True})["tokens"]
    assert [p["piece"] for p in pieces] == ["h", [0xc3], [0xa9]] and [p["id"] for p in pieces] == ids[:3]


def test_beams(client):
    greedy = ask(client, max_tokens=8).choices[0].message.content
    body = {"num_beams": 4}
    answer = client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "hello"}], n=2,
                                            max_tokens=8, extra_body=body)
    assert len(answer.choices) == 2
    assert answer.choices[0].message.content != answer.choices[1].message.content
    assert isinstance(greedy, str)
    for wrong, words in (({"num_beams": 4, "num_beam_groups": 3}, "num_beam_groups"),
                         ({"diversity_penalty": 1.0}, "diversity_penalty")):
        with pytest.raises(openai.BadRequestError, match=words):
            client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "x"}], extra_body=wrong)


def token_id(text):
    """The tiny model's token of a text as log-probabilities name it."""
    named = {"<|begin|>": tiny_model.BEGIN, "<|im_end|>": tiny_model.END, "<|im_start|>": tiny_model.START}
    if text in named:
        return named[text]
    data = bytes.fromhex(text[len("bytes:\\x"):]) if text.startswith("bytes:") else text.encode()
    assert len(data) == 1, text
    return data[0]


def test_beams_have_logprobs(client, tiny, nibble, tmp_path):
    """Those of the model, whatever penalties did to the search: by NumPy, from what `nibble logits` says."""
    import numpy as np
    prompt = [104, 101, 108, 108, 111]
    answer = client.completions.create(model="tiny", prompt=prompt, max_tokens=6, n=3, logprobs=4, extra_body={
        "num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.3, "repetition_penalty": 1.2})
    assert len({tuple(c.logprobs.tokens) for c in answer.choices}) > 1
    for choice in answer.choices:
        ids = [token_id(t) for t in choice.logprobs.tokens]
        assert 1 <= len(ids) <= 6
        nibble("logits", tiny, "--tokens", ",".join(map(str, prompt + ids)), "-o", tmp_path / "logits.npy")
        logits = np.load(tmp_path / "logits.npy").astype(np.float64)
        reference = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        for i, token in enumerate(ids):
            row = reference[len(prompt) - 1 + i]
            assert math.isclose(choice.logprobs.token_logprobs[i], row[token], abs_tol=2e-3)
            tops = choice.logprobs.top_logprobs[i]
            assert len(tops) in (4, 5)  # the chosen token too
            np.testing.assert_allclose(sorted(tops.values())[-4:], np.sort(row)[-4:], atol=2e-3)
            for text, logprob in tops.items():
                assert math.isclose(logprob, row[token_id(text)], abs_tol=2e-3)


def test_beams_of_a_chat_have_logprobs(client):
    body = {"n": 2, "logprobs": True, "top_logprobs": 2, "extra_body": {"num_beams": 3}}
    whole = ask(client, **body)
    # Without a penalty they are what the search goes by, best first.
    means = [sum(t.logprob for t in c.logprobs.content) / len(c.logprobs.content) for c in whole.choices]
    assert len(means) == 2 and means[0] >= means[1]
    assert all(len(t.top_logprobs) == 2 for c in whole.choices for t in c.logprobs.content)
    chunks = list(ask(client, stream=True, **body))
    for choice in whole.choices:
        streamed = [t for c in chunks if c.choices[0].index == choice.index and c.choices[0].logprobs
                    for t in c.choices[0].logprobs.content]
        assert [t.model_dump() for t in streamed] == [t.model_dump() for t in choice.logprobs.content]


def test_speculation_changes_no_answer(client):
    text = "one two three one two three one two three " * 3
    drafted = ask(client, text, max_tokens=60)
    plain = ask(client, text, max_tokens=60, extra_body={"speculation": False})
    assert drafted.choices[0].message.content == plain.choices[0].message.content
    assert plain.timings["drafted"] == 0 and drafted.timings["accepted"] <= drafted.timings["drafted"]


def test_tools_are_described_and_calls_forced(client):
    answer = ask(client, tools=TOOLS, tool_choice="required", max_tokens=300)
    call = answer.choices[0].message.tool_calls[0]
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments)["city"] in ("Paris", "Rome")
    assert answer.choices[0].finish_reason == "tool_calls" and answer.choices[0].message.content is None
    named = {"type": "function", "function": {"name": "weather"}}
    chunks = list(ask(client, tools=TOOLS, tool_choice=named, max_tokens=300, stream=True))
    calls = [call for c in chunks for call in c.choices[0].delta.tool_calls or []]
    assert [(c.index, c.function.name) for c in calls] == [(0, "weather")]
    assert json.loads(calls[0].function.arguments) == json.loads(call.function.arguments)
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    free = ask(client, tools=TOOLS)
    assert free.choices[0].message.tool_calls is None and free.usage.prompt_tokens > ask(client).usage.prompt_tokens + 50


def test_response_formats(client):
    schema = {"type": "object", "properties": {"n": {"enum": [1, 22]}}, "required": ["n"], "additionalProperties": False}
    answer = ask(client, max_tokens=80, response_format={
        "type": "json_schema", "json_schema": {"name": "number", "schema": schema}})
    assert json.loads(answer.choices[0].message.content)["n"] in (1, 22) and answer.choices[0].finish_reason == "stop"
    digits = ask(client, max_tokens=20, extra_body={"response_format": {"type": "regex", "regex": "[0-9]{3}"}})
    assert digits.choices[0].message.content.isdigit() and len(digits.choices[0].message.content) == 3
    with pytest.raises(openai.BadRequestError, match="response_format"):
        ask(client, extra_body={"response_format": {"type": "regex", "regex": "("}})
    with pytest.raises(openai.BadRequestError, match="json_schema"):
        ask(client, response_format={"type": "json_schema"})
    with pytest.raises(openai.BadRequestError, match="schema"):
        ask(client, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nothing"}}})


@pytest.mark.parametrize("body, words", [
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "nobody", "content": "x"}]}, "role"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "text only"),
    ({"messages": [{"role": "user", "content": "x"}], "temperature": "hot"}, "temperature"),
    ({"messages": [{"role": "user", "content": "x"}], "n": 0}, "n is 0"),
    ({"messages": [{"role": "user", "content": "x"}], "n": 3, "num_beams": 2}, "n is 3"),
    ({"messages": [{"role": "user", "content": "x"}], "tool_choice": "required"}, "no tools"),
    ({"messages": [{"role": "user", "content": "x"}],
      # No answer is short enough to end before there are too many ways to read it.
      "response_format": {"type": "regex", "regex": "aaaa((((a{0,50}){0,50}){0,50}))aaaa"}}, "ambiguous"),
    ({"messages": [{"role": "user", "content": "x"}], "top_logprobs": 3}, "logprobs"),
    ({"messages": [{"role": "user", "content": "x"}], "prompt_format": "x"}, "chatml"),
    ({"messages": [{"role": "user", "content": "x"}], "functions": []}, "tools"),
    ({"messages": [{"role": "user", "content": "long " * 1000}]}, "context"),
])
def test_wrong_requests_say_what_is_wrong(server, body, words):
    error = server.json("POST", "/v1/chat/completions", body, expect=400)["error"]
    assert words in error["message"] and error["type"] == "invalid_request_error"
    assert set(error) == {"message", "type", "param", "code"}


def test_errors_become_the_clients_exceptions(client):
    with pytest.raises(openai.NotFoundError, match="nothing"):
        client.chat.completions.create(model="nothing", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.BadRequestError):
        ask(client, temperature=-1)


def test_unknown_paths_and_methods(server):
    assert server.json("GET", "/v1/nothing", expect=404)["error"]["code"] == "unknown_url"
    assert server.json("PUT", "/v1/models", expect=405)["error"]["code"] == "method_not_allowed"
    assert server.json("POST", "/v1/completions", "{", expect=400)["error"]["code"] == "invalid_json"


def test_health_metrics_status(server, client):
    ask(client)
    assert server.json("GET", "/health") == {"status": "ok"}
    status = server.json("GET", "/api/status")
    assert status["model"] == "tiny" and status["context"] == 1024 and status["memory"]["weights"] > 0
    text = server.request("GET", "/metrics")[2].decode()
    assert 'nibble_completion_tokens_total{model="tiny"}' in text
    assert 'nibble_requests_total{route="/v1/chat/completions",status="200"}' in text
    assert "nibble_first_token_seconds_count" in text


def test_a_draft_models_cache_is_told(nibble_bin, tiny, tmp_path):
    draft = tiny_model.write(tmp_path / "draft.gguf", seed=2, context=256, layers=1)
    with Server(nibble_bin, tiny, "--threads", 1, "--draft-model", draft, "--cache-memory", "2MB") as server:
        answer = server.json("POST", "/v1/completions", {"prompt": "one two", "max_tokens": 100, "seed": 5})
        plain = server.json("POST", "/v1/completions", {"prompt": "one two", "max_tokens": 100, "seed": 5,
                                                        "speculation": False})
        assert answer["choices"][0]["text"] == plain["choices"][0]["text"]
        status = server.wait_idle()
        memory = status["memory"]
        assert 0 < memory["draft_cache"] < memory["cache"]
        assert memory["cache"] + memory["draft_cache"] <= 2**21 and memory["draft_cache_used"] == 0
        text = server.request("GET", "/metrics")[2].decode()
        assert f'nibble_draft_cache_bytes{{model="tiny"}} {memory["draft_cache"]}' in text
        assert 'nibble_draft_cache_used_bytes{model="tiny"} 0' in text


def test_openapi_names_every_route(server):
    document = server.json("GET", "/openapi.json")
    assert document["openapi"].startswith("3.")
    for path, operations in document["paths"].items():
        for method in operations:
            status, _, text = server.request(method.upper(), path.replace("{id}", "none"), None if method == "get" else {})
            assert b"unknown_url" not in text and status != 405, (method, path, text)


def test_keys(nibble_bin, tiny, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("first-key\nsecond-key\n")
    with Server(nibble_bin, tiny, "--threads", 1, "--api-key-file", keys, environment={"NIBBLE_API_KEY": "third"}) as server:
        for key in ("first-key", "second-key", "third"):
            assert openai.OpenAI(base_url=server.url + "/v1", api_key=key).models.list()
        with pytest.raises(openai.AuthenticationError):
            openai.OpenAI(base_url=server.url + "/v1", api_key="other", max_retries=0).models.list()
        assert server.json("GET", "/v1/models", expect=401)["error"]["code"] == "missing_api_key"
        assert server.json("GET", "/health") == {"status": "ok"}
        assert "third" not in server.log_text()


def test_origins(nibble_bin, tiny, server):
    foreign = {"Origin": "https://example.org"}
    assert server.json("GET", "/v1/models", headers=foreign, expect=403)["error"]["code"] == "foreign_origin"
    assert server.json("GET", "/v1/models", headers={"Host": "example.org"}, expect=403)["error"]["code"] == "foreign_host"
    with Server(nibble_bin, tiny, "--threads", 1, "--cors", "https://example.org") as open_server:
        status, headers, _ = open_server.request("OPTIONS", "/v1/chat/completions", headers=foreign)
        assert status == 204 and headers["access-control-allow-origin"] == "https://example.org"
        status, headers, _ = open_server.request("GET", "/v1/models", headers=foreign)
        assert status == 200 and headers["access-control-allow-origin"] == "https://example.org"
        assert open_server.request("GET", "/v1/models", headers={"Origin": "https://example.com"})[0] == 403


def test_log_has_no_prompts_unless_asked(nibble_bin, tiny):
    body = {"messages": [{"role": "user", "content": "a secret"}], "max_tokens": 2}
    with Server(nibble_bin, tiny, "--threads", 1) as server:
        server.json("POST", "/v1/chat/completions", body)
        server.stop()
        line = next(entry for entry in server.log() if entry["event"] == "request")
        assert line["status"] == 200 and line["tokens"]["completion_tokens"] == 2 and line["model"] == "tiny"
        assert "secret" not in server.log_text()
    with Server(nibble_bin, tiny, "--threads", 1, "--log-prompts") as server:
        server.json("POST", "/v1/chat/completions", body)
        server.stop()
        assert "a secret" in server.log_text()


def test_tls(nibble_bin, tiny, tmp_path):
    import ssl
    import subprocess
    import urllib.request
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "key.pem",
                           "-out", tmp_path / "cert.pem", "-days", "2", "-subj", "/CN=localhost",
                           "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], capture_output=True)
    if made.returncode:
        pytest.skip("openssl makes no certificate")
    with Server(nibble_bin, tiny, "--threads", 1, "--tls-cert", tmp_path / "cert.pem", "--tls-key",
                tmp_path / "key.pem") as server:
        assert server.url.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        body = json.dumps({"messages": [{"role": "user", "content": "x"}], "max_tokens": 5, "stream": True}).encode()
        request = urllib.request.Request(server.url + "/v1/chat/completions", body)
        text = urllib.request.urlopen(request, context=trusted, timeout=60).read().decode()
        assert text.endswith("data: [DONE]\n\n")
        with server.connect() as plain:  # no TLS: refused, and nothing falls over
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert urllib.request.urlopen(server.url + "/health", context=trusted, timeout=60).status == 200


def test_wrong_usage(nibble, tiny, tmp_path):
    assert nibble("serve", check=False).returncode == 2
    assert nibble("serve", tiny, "--tls-cert", tiny, check=False).returncode == 2
    result = nibble("serve", tiny, "--api-key-file", tmp_path / "none", check=False)
    assert result.returncode == 1 and "none" in result.stderr
    result = nibble("serve", tiny, "--tls-cert", tiny, "--tls-key", tiny, "--port", 0, check=False)
    assert result.returncode == 1 and "PEM" in result.stderr
    result = nibble("serve", tmp_path / "none.gguf", "--port", 0, check=False)
    assert result.returncode == 1 and "none.gguf" in result.stderr


def test_models_are_loaded_and_unloaded(nibble_bin, tiny, tmp_path):
    tiny_model.write(tmp_path / "other.gguf", seed=2, context=256)
    (tmp_path / "broken.gguf").write_bytes(b"GGUF nothing")
    with Server(nibble_bin, tiny, "--threads", 1, "--models", tmp_path) as server:
        models = {m["id"]: m for m in server.json("GET", "/api/models")["models"]}
        assert set(models) == {"tiny", "other", "broken"}
        assert models["tiny"]["loaded"] and not models["other"]["loaded"]
        assert models["other"]["architecture"] == "llama" and models["other"]["bits_per_weight"] == 32
        assert models["other"]["figures"] is None and "error" in models["broken"]
        server.json("POST", "/v1/chat/completions", {"model": "other", "messages": [{"role": "user", "content": "x"}]},
                    expect=404)
        assert server.json("POST", "/api/models/load", {"id": "other"})["id"] == "other"
        assert server.json("POST", "/api/models/load", {"id": "broken"}, expect=422)["error"]["code"] == "model_not_loadable"
        assert server.json("POST", "/api/models/load", {"id": "../tiny"}, expect=404)
        answers = [server.json("POST", "/v1/completions", {"model": m, "prompt": "x", "temperature": 0})["choices"][0]["text"]
                   for m in ("tiny", "other")]
        assert answers[0] != answers[1]
        assert len(server.json("GET", "/v1/models")["data"]) == 2
        server.json("POST", "/api/models/unload", {"id": "other"})
        assert len(server.json("GET", "/v1/models")["data"]) == 1


def test_jobs(nibble_bin, tiny, tmp_path):
    tiny_model.write(tmp_path / "big.gguf", hidden=256, ffn=512, layers=2)
    with Server(nibble_bin, tiny, "--threads", 1, "--models", tmp_path) as server:
        job = {"kind": "quantize", "model": "big", "output": "small", "options": {"type": "q8_0"}}
        job_id = server.json("POST", "/api/jobs", job, expect=201)["id"]
        events = server.request("GET", f"/api/jobs/{job_id}/events")[2].decode()
        states = [json.loads(line[6:]) for line in events.splitlines() if line.startswith("data: ")]
        assert states[-1]["state"] == "done" and states[-1]["progress"] == 1, states
        assert (tmp_path / "small.gguf").is_file()
        assert server.json("GET", f"/api/jobs/{job_id}") == states[-1]
        assert server.json("GET", f"/api/jobs/{job_id}/report", expect=404)
        assert server.json("POST", "/api/jobs", job, expect=409)
        assert "small" in [m["id"] for m in server.json("GET", "/api/models")["models"]]
        failing = {**job, "output": "x", "options": {"type": "nonsense"}}
        job_id = server.json("POST", "/api/jobs", failing, expect=201)["id"]
        server.request("GET", f"/api/jobs/{job_id}/events")
        failed = server.json("GET", f"/api/jobs/{job_id}")
        assert failed["state"] == "failed" and "nonsense" in failed["error"]
        assert len(server.json("GET", "/api/jobs")["jobs"]) == 2


def test_optimize_job_is_cancelled_resumed_and_discarded(nibble_bin, tiny, tmp_path):
    tiny_model.write(tmp_path / "big.gguf", hidden=512, ffn=1024, layers=4, context=1024)
    left = lambda: sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("best."))
    with Server(nibble_bin, tiny, "--threads", 1, "--models", tmp_path) as server:
        order = {"kind": "optimize", "model": "big", "output": "best", "options": {"max_loss": "1%"}}
        job_id = server.json("POST", "/api/jobs", order, expect=201)["id"]
        job = lambda: server.json("GET", f"/api/jobs/{job_id}")

        def wait_until(condition):
            end = time.monotonic() + 90
            while not condition() and time.monotonic() < end:
                time.sleep(0.05)
            assert condition(), job()

        for _ in range(2):
            wait_until(lambda: "best.gguf.optimize.partial.state" in left())
            assert server.json("POST", f"/api/jobs/{job_id}/resume", expect=409)
            assert server.json("DELETE", f"/api/jobs/{job_id}", expect=409)
            server.json("POST", f"/api/jobs/{job_id}/cancel")
            wait_until(lambda: job()["state"] == "cancelled")
            assert job()["resumable"] and "resumed" in job()["message"]
            assert "best.gguf.optimize.partial.state" in left() and "best.gguf" not in left()
            assert server.json("POST", f"/api/jobs/{job_id}/resume")["state"] == "queued"
        server.json("POST", f"/api/jobs/{job_id}/cancel")
        wait_until(lambda: job()["state"] == "cancelled")
        assert server.json("POST", f"/api/jobs/{job_id}/cancel") == job()
        assert server.json("DELETE", f"/api/jobs/{job_id}")["resumable"] is False
        assert left() == []
        assert server.json("GET", "/api/jobs")["jobs"] == []
        assert server.json("GET", f"/api/jobs/{job_id}", expect=404)["error"]["code"] == "job_not_found"


def test_smollm_answers(nibble_bin, smol_model):
    with Server(nibble_bin, smol_model) as server:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
        model = client.models.list().data[0].id
        question = {"role": "user", "content": "What is 2+2?"}
        ask_model = lambda *messages: client.chat.completions.create(model=model, temperature=0, max_tokens=24,
                                                                     messages=messages)
        answer = ask_model(question)
        assert "4" in answer.choices[0].message.content and answer.choices[0].finish_reason == "stop"
        longer = ask_model(question, {"role": "assistant", "content": answer.choices[0].message.content},
                           {"role": "user", "content": "And 3+3?"})
        assert longer.usage.prompt_tokens_details.cached_tokens > 0
