#include <algorithm>

#include "base/error.h"
#include "serve/answers.h"
#include "serve/chat_prompt.h"
#include "serve/decoding_fields.h"
#include "serve/endpoints.h"
#include "serve/event_stream.h"
#include "serve/finish.h"
#include "serve/logprobs.h"
#include "serve/output_fields.h"

namespace nibble {

namespace {

using Json = nlohmann::ordered_json;

struct ChatRequest {
  std::shared_ptr<LoadedModel> model;
  ChatPrompt prompt;
  GenerateParams params;
  bool stream = false, include_usage = false;
  uint32_t choices = 1;
};

/// The answer may be a call only: its JSON is forced, and its name where it must be a certain tool's.
void force_call(const Json& tools, const ChatPrompt& prompt, Grammars& grammars, GenerateParams& params) {
  Json calls = Json::array();
  for (const Json& tool : tools) {
    const Json& function = tool.at("function");
    if (prompt.forced_tool && *prompt.forced_tool != tool) continue;
    const Json arguments =
        function.contains("parameters") ? function["parameters"] : Json{{"type", "object"}};
    calls.push_back({{"type", "object"},
                     {"properties", {{"name", {{"const", function["name"]}}}, {"arguments", arguments}}},
                     {"required", {"name", "arguments"}},
                     {"additionalProperties", false}});
  }
  require_schema(calls.size() == 1 ? calls[0] : Json{{"anyOf", calls}}, "tools", grammars, params);
}

void read_logprobs(const JsonFields& fields, GenerateParams& params) {
  const bool wanted = fields.boolean("logprobs").value_or(false);
  const auto top = fields.integer("top_logprobs", 0, 20);
  if (top && !wanted) fail_field("top_logprobs", "top_logprobs needs logprobs: true");
  if (wanted) params.top_logprobs = int(top.value_or(0));
}

ChatRequest read_chat(const Json& body, ServerState& state) {
  const JsonFields fields(body);
  ChatRequest request;
  request.model = state.models.get(fields.text("model").value_or(""));
  const Engine& engine = *request.model->engine;
  for (const char* name : {"functions", "function_call", "audio"}) {
    if (fields.find(name))
      fail_field(name, "{} is not supported{}", name, name[0] == 'f' ? ": use tools" : "");
  }
  request.prompt = make_chat_prompt(fields, engine);
  GenerateParams& params = request.params;
  read_decoding(fields, engine.model().config().vocab, params);
  params.stop.insert(params.stop.end(), request.prompt.stops.begin(), request.prompt.stops.end());
  const auto newer = fields.integer("max_completion_tokens", 1, INT32_MAX);
  const auto older = fields.integer("max_tokens", 1, INT32_MAX);
  params.max_new_tokens = uint32_t(newer.value_or(older.value_or(engine.context())));
  read_logprobs(fields, params);
  read_response_format(fields, *request.model->grammars, params);
  if (request.prompt.must_call)
    force_call(*fields.array("tools"), request.prompt, *request.model->grammars, params);
  request.stream = fields.boolean("stream").value_or(false);
  if (const Json* options = fields.object("stream_options")) {
    request.include_usage = JsonFields(*options, "stream_options.").boolean("include_usage").value_or(false);
  }
  request.choices = params.beams.searches() ? params.beams.num_return_sequences : params.choices;
  return request;
}

/// One choice's text as it comes: without the white space that most models begin with, calls separated.
class ChatChoice {
 public:
  explicit ChatChoice(const ChatPrompt& prompt) {
    // What is forced has no tags around it.
    if (prompt.tools) parser_.emplace(prompt.must_call ? ToolCallForm::bare_json : *prompt.tools);
  }

  ToolCallParser::Found add(const AnswerPiece& piece) {
    ToolCallParser::Found found;
    found.content = piece.text;
    if (parser_) {
      found = parser_->add(piece.text);
      if (piece.reason) {
        const ToolCallParser::Found rest = parser_->finish();
        found.content += rest.content;
        found.calls.insert(found.calls.end(), rest.calls.begin(), rest.calls.end());
      }
    }
    if (!begun_) {
      found.content.erase(0, std::min(found.content.find_first_not_of(" \n\t"), found.content.size()));
      begun_ = !found.content.empty();
    }
    calls_ += found.calls.size();
    if (piece.reason) reason_ = calls_ > 0 ? "tool_calls" : std::string(finish_reason(*piece.reason));
    return found;
  }

  size_t calls() const { return calls_; }
  /// Empty while it runs.
  const std::string& reason() const { return reason_; }

 private:
  std::optional<ToolCallParser> parser_;
  bool begun_ = false;
  size_t calls_ = 0;
  std::string reason_;
};

Json call_json(const ToolCall& call) {
  return {{"id", new_id("call_")},
          {"type", "function"},
          {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
}

void append_logprobs(Json& all, const Tokenizer& tokenizer, const AnswerPiece& piece) {
  Json more = chat_logprobs(tokenizer, piece.tokens);
  for (Json& entry : more["content"]) all["content"].push_back(std::move(entry));
}

Json chat_head(const char* object, const std::string& id, int64_t created, const LoadedModel& model) {
  return {{"id", id}, {"object", object}, {"created", created}, {"model", model.id}};
}

void respond_chat(Exchange& exchange, const ChatRequest& request, Answers& answers, ServerState& state) {
  std::vector<ChatChoice> choices(request.choices, ChatChoice(request.prompt));
  Json list = Json::array();
  for (uint32_t i = 0; i < request.choices; ++i) {
    list.push_back({{"index", i},
                    {"message", {{"role", "assistant"}, {"content", ""}, {"refusal", nullptr}}},
                    {"logprobs", nullptr},
                    {"finish_reason", nullptr}});
    if (request.params.top_logprobs >= 0) {
      list.back()["logprobs"] = {{"content", Json::array()}, {"refusal", nullptr}};
    }
  }
  bool any = false;
  const auto end = answers.run(exchange, [&](size_t, const AnswerPiece& piece, const RequestHandle&) {
    Json& choice = list.at(piece.choice);
    const auto found = choices.at(piece.choice).add(piece);
    choice["message"]["content"].get_ref<std::string&>() += found.content;
    for (const ToolCall& call : found.calls) choice["message"]["tool_calls"].push_back(call_json(call));
    if (request.params.top_logprobs >= 0) {
      append_logprobs(choice["logprobs"], request.model->engine->tokenizer(), piece);
    }
    any = any || !piece.text.empty();
    return true;
  });
  if (end == Answers::End::client_gone) exchange.log["client_gone"] = true;
  check_end(end, any);
  for (uint32_t i = 0; i < request.choices; ++i) {
    list[i]["finish_reason"] = choices[i].reason().empty() ? "length" : choices[i].reason();
    Json& message = list[i]["message"];
    if (choices[i].calls() > 0 && message["content"] == "") message["content"] = nullptr;
    if (state.log_prompts) exchange.log["answers"].push_back(message["content"]);
  }
  Json body = chat_head("chat.completion", new_id("chatcmpl-"), unix_time(), *request.model);
  body["choices"] = std::move(list);
  body["usage"] = answers.usage_json();
  body["timings"] = answers.timings_json();
  exchange.respond(body);
}

/// The chunks of a streamed answer.
class ChatStream {
 public:
  ChatStream(EventStream& events, const ChatRequest& request)
      : events_(events),
        request_(request),
        choices_(request.choices, ChatChoice(request.prompt)),
        head_(chat_head("chat.completion.chunk", new_id("chatcmpl-"), unix_time(), *request.model)) {}

  bool begin() {
    for (uint32_t i = 0; i < request_.choices; ++i) {
      if (!send(i, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr)) return false;
    }
    return true;
  }

  bool add(const AnswerPiece& piece) {
    ChatChoice& choice = choices_.at(piece.choice);
    size_t call_index = choice.calls();
    const auto found = choice.add(piece);
    Json logprobs;
    if (request_.params.top_logprobs >= 0 && !piece.tokens.empty()) {
      logprobs = chat_logprobs(request_.model->engine->tokenizer(), piece.tokens);
    }
    if (!found.content.empty() || !logprobs.is_null()) {
      if (!send(piece.choice, {{"content", found.content}}, std::move(logprobs), nullptr)) return false;
    }
    for (const ToolCall& call : found.calls) {
      Json entry = {{"index", call_index++}};
      entry.update(call_json(call));
      if (!send(piece.choice, {{"tool_calls", Json::array({entry})}}, nullptr, nullptr)) return false;
    }
    any_ = any_ || !piece.text.empty();
    return true;
  }

  /// The reasons come last, the last of all with the figures.
  bool finish(const Answers& answers) {
    for (uint32_t i = 0; i < request_.choices; ++i) {
      Json extra = Json::object();
      if (i + 1 == request_.choices && !request_.include_usage) {
        extra = {{"usage", answers.usage_json()}, {"timings", answers.timings_json()}};
      }
      const std::string& reason = choices_[i].reason();
      if (!send(i, Json::object(), nullptr, reason.empty() ? "length" : reason, extra)) return false;
    }
    if (request_.include_usage) {
      Json chunk = head_;
      chunk["choices"] = Json::array();
      chunk["usage"] = answers.usage_json();
      chunk["timings"] = answers.timings_json();
      if (!events_.send(chunk)) return false;
    }
    return events_.done();
  }

  bool any() const { return any_; }

 private:
  bool send(uint32_t index, Json delta, Json logprobs, Json reason, const Json& extra = Json::object()) {
    Json chunk = head_;
    chunk["choices"] = Json::array({{{"index", index},
                                     {"delta", std::move(delta)},
                                     {"logprobs", std::move(logprobs)},
                                     {"finish_reason", std::move(reason)}}});
    if (request_.include_usage) chunk["usage"] = nullptr;
    chunk.update(extra);
    return events_.send(chunk);
  }

  EventStream& events_;
  const ChatRequest& request_;
  std::vector<ChatChoice> choices_;
  Json head_;
  bool any_ = false;
};

void stream_chat(Exchange& exchange, ChatRequest request, std::shared_ptr<Answers> answers) {
  respond_with_events(exchange, [&exchange, request = std::move(request), answers](EventStream& events) {
    ChatStream stream(events, request);
    if (!stream.begin()) return;
    const auto end = answers->run(
        exchange, [&](size_t, const AnswerPiece& piece, const RequestHandle&) { return stream.add(piece); });
    exchange.log["tokens"] = answers->usage_json();
    if (end == Answers::End::client_gone) {
      exchange.log["client_gone"] = true;
      return;
    }
    check_end(end, stream.any());
    stream.finish(*answers);
  });
}

void chat(Exchange& exchange, ServerState& state) {
  const Json body = JsonFields::parse_body(exchange.request.body);
  ChatRequest request = read_chat(body, state);
  request.prompt.forced_tool = nullptr;  // it belongs to the body, which a stream outlives
  exchange.log["model"] = request.model->id;
  if (state.log_prompts) exchange.log["prompt"] = request.prompt.text;
  auto answers = std::make_shared<Answers>(state, request.model,
                                           std::vector<Request>{{request.prompt.tokens, request.params}});
  if (request.stream) {
    stream_chat(exchange, std::move(request), std::move(answers));
  } else {
    respond_chat(exchange, request, *answers, state);
    exchange.log["tokens"] = answers->usage_json();
  }
}

}  // namespace

void add_chat_endpoint(Router& router, ServerState& state) {
  router.add("POST", "/v1/chat/completions", [&state](Exchange& exchange) { chat(exchange, state); });
}

}  // namespace nibble
