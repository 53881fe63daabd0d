#include "base/utf8.h"
#include "serve/api_error.h"
#include "serve/chat_prompt.h"
#include "serve/endpoints.h"

namespace nibble {

namespace {

using Json = nlohmann::ordered_json;

/// As llama.cpp writes pieces: text, or bytes where they are no UTF-8 by themselves.
Json piece_json(const std::string& piece) {
  if (find_invalid_utf8(piece) == piece.size()) return piece;
  Json bytes = Json::array();
  for (const char c : piece) bytes.push_back(uint8_t(c));
  return bytes;
}

/// Both vLLM's fields (prompt, messages, add_special_tokens, add_generation_prompt, return_token_strs) and
/// llama.cpp's (content, add_special, parse_special, with_pieces).
void tokenize(Exchange& exchange, ServerState& state) {
  const Json body = JsonFields::parse_body(exchange.request.body);
  const JsonFields fields(body);
  const auto model = state.models.get(fields.text("model").value_or(""));
  const Tokenizer& tokenizer = model->engine->tokenizer();
  std::vector<int32_t> ids;
  if (fields.find("messages")) {
    ids = make_chat_prompt(fields, *model->engine).tokens;
  } else {
    const auto prompt = fields.text("prompt"), content = fields.text("content");
    if (!prompt && !content) fail_field("prompt", "prompt is missing: give a text, or messages");
    const bool special =
        fields.boolean(prompt ? "add_special_tokens" : "add_special").value_or(prompt.has_value());
    ids = tokenizer.encode(
        prompt ? *prompt : *content,
        {.add_special = special, .parse_special = fields.boolean("parse_special").value_or(true)});
  }
  Json tokens = ids;
  if (fields.boolean("with_pieces").value_or(false)) {
    for (size_t i = 0; i < ids.size(); ++i) {
      tokens[i] = {{"id", ids[i]}, {"piece", piece_json(tokenizer.piece(ids[i], true))}};
    }
  }
  Json answer = {
      {"tokens", std::move(tokens)}, {"count", ids.size()}, {"max_model_len", model->engine->context()}};
  if (fields.boolean("return_token_strs").value_or(false)) {
    for (const int32_t id : ids) answer["token_strs"].push_back(tokenizer.piece(id, true));
  }
  exchange.respond(answer);
}

void detokenize(Exchange& exchange, ServerState& state) {
  const Json body = JsonFields::parse_body(exchange.request.body);
  const JsonFields fields(body);
  const auto model = state.models.get(fields.text("model").value_or(""));
  const Tokenizer& tokenizer = model->engine->tokenizer();
  const auto ids = read_token_ids(fields.required("tokens"), "tokens", tokenizer.size());
  const std::string text = tokenizer.decode(ids, true);
  exchange.respond({{"prompt", text}, {"content", text}});
}

/// What lm-evaluation-harness asks for when it leaves tokenizing to the server.
void tokenizer_info(Exchange& exchange, ServerState& state) {
  const auto model = state.models.get("");
  const Vocabulary& vocabulary = model->engine->tokenizer().vocabulary();
  const auto name = [&](const std::optional<int32_t>& id) {
    return id ? Json(vocabulary.tokens[size_t(*id)]) : Json();
  };
  exchange.respond({{"tokenizer_class", "nibble"},
                    {"vocab_size", vocabulary.tokens.size()},
                    {"bos_token", name(vocabulary.bos)},
                    {"eos_token", name(vocabulary.eos)},
                    {"pad_token", name(vocabulary.padding)},
                    {"unk_token", name(vocabulary.unknown)},
                    {"add_bos_token", vocabulary.add_bos},
                    {"chat_template", vocabulary.chat_template}});
}

}  // namespace

void add_tokenize_endpoints(Router& router, ServerState& state) {
  router.add("POST", "/tokenize", [&state](Exchange& exchange) { tokenize(exchange, state); });
  router.add("POST", "/detokenize", [&state](Exchange& exchange) { detokenize(exchange, state); });
  router.add("GET", "/tokenizer_info", [&state](Exchange& exchange) { tokenizer_info(exchange, state); });
}

}  // namespace nibble
