"""Other clients of OpenAI's API, unchanged: LangChain's, and the JavaScript one where npm is at hand.

Run by `make interop`, outside `make test`, since they bring many packages. The openai package for Python is
tested in tests/test_serve.py.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

langchain_openai = pytest.importorskip("langchain_openai")

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
import tiny_model  # noqa: E402
from serve_process import Server  # noqa: E402

NIBBLE = os.environ.get("NIBBLE_BIN", str(ROOT / "build/release/nibble"))
SCRIPT = """
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "none", maxRetries: 0 });
const request = { model: "tiny", messages: [{ role: "user", content: "hi" }], max_tokens: 8, temperature: 0 };
const whole = await client.chat.completions.create(request);
let streamed = "", last;
const options = { stream: true, stream_options: { include_usage: true } };
for await (const chunk of await client.chat.completions.create({ ...request, ...options })) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
  last = chunk;
}
const embedding = await client.embeddings.create({ model: "tiny", input: "x" });
let error;
try {
  await client.chat.completions.create({ ...request, model: "none" });
} catch (thrown) {
  error = thrown.constructor.name;
}
console.log(JSON.stringify({ whole: whole.choices[0].message.content, streamed, tokens: last.usage.completion_tokens,
                             dimensions: embedding.data[0].embedding.length, error }));
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    model = tiny_model.write(tmp_path_factory.mktemp("tiny") / "tiny.gguf", context=1024)
    with Server(NIBBLE, model, "--threads", 1) as running:
        yield running


@pytest.fixture(scope="module")
def answer(server):
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 8, "temperature": 0}
    return server.json("POST", "/v1/chat/completions", body)["choices"][0]["message"]["content"]


def test_langchain(server, answer):
    model = langchain_openai.ChatOpenAI(model="tiny", base_url=server.url + "/v1", api_key="none", temperature=0,
                                        max_tokens=8)
    message = model.invoke("hi")
    assert message.content == answer and message.usage_metadata["output_tokens"] == 8
    assert "".join(chunk.content for chunk in model.stream("hi")) == answer


def test_langchain_tools(server):
    model = langchain_openai.ChatOpenAI(model="tiny", base_url=server.url + "/v1", api_key="none", temperature=0,
                                        max_tokens=60)
    tool = {"name": "pick", "description": "Picks one", "parameters": {
        "type": "object", "properties": {"which": {"enum": ["left", "right"]}}, "required": ["which"],
        "additionalProperties": False}}
    calls = model.bind_tools([tool], tool_choice="pick").invoke("hi").tool_calls
    assert [call["name"] for call in calls] == ["pick"] and calls[0]["args"]["which"] in ("left", "right")


def test_javascript(server, answer, tmp_path):
    if not shutil.which("npm"):
        pytest.skip("npm is not there")
    (tmp_path / "package.json").write_text('{"private": true}')
    subprocess.run(["npm", "install", "--silent", "openai"], cwd=tmp_path, check=True, timeout=300)
    (tmp_path / "client.mjs").write_text(SCRIPT)
    result = subprocess.run(["node", "client.mjs", server.url], cwd=tmp_path, check=True, timeout=60, capture_output=True)
    assert json.loads(result.stdout) == {"whole": answer, "streamed": answer, "tokens": 8, "dimensions": 32,
                                         "error": "NotFoundError"}
