#include <algorithm>

#include "base/error.h"
#include "serve/answers.h"
#include "serve/decoding_fields.h"
#include "serve/endpoints.h"
#include "serve/event_stream.h"
#include "serve/finish.h"
#include "serve/logprobs.h"
#include "serve/output_fields.h"

namespace nibble {

namespace {

using Json = nlohmann::ordered_json;

/// OpenAI's default.
constexpr int64_t kDefaultTokens = 16;
constexpr size_t kMostPrompts = 4096;

struct CompletionRequest {
  std::shared_ptr<LoadedModel> model;
  std::vector<std::vector<int32_t>> prompts;
  std::vector<std::string> texts;  ///< of the prompts, for echo and the log
  GenerateParams params;
  bool echo = false, only_prompt = false;
  bool stream = false, include_usage = false;
  uint32_t choices = 1;  ///< of each prompt

  bool logprobs() const { return params.top_logprobs >= 0; }
};

void add_text_prompt(const std::string& text, const Tokenizer& tokenizer, CompletionRequest& request) {
  request.prompts.push_back(tokenizer.encode(text));
  request.texts.push_back(text);
}

void add_token_prompt(const Json& ids, const LoadedModel& model, CompletionRequest& request) {
  const Tokenizer& tokenizer = model.engine->tokenizer();
  request.prompts.push_back(read_token_ids(ids, "prompt", tokenizer.size()));
  request.texts.push_back(tokenizer.decode(request.prompts.back(), true));
}

/// A text, a list of texts, a list of token ids, or a list of such lists.
void read_prompts(const JsonFields& fields, CompletionRequest& request) {
  const Json& prompt = fields.required("prompt");
  const Tokenizer& tokenizer = request.model->engine->tokenizer();
  if (prompt.is_string()) {
    add_text_prompt(prompt.get<std::string>(), tokenizer, request);
  } else if (!prompt.is_array() || prompt.empty()) {
    fail_field("prompt", "prompt must be a text, a list of token ids, or a list of either");
  } else if (prompt.front().is_number()) {
    add_token_prompt(prompt, *request.model, request);
  } else {
    if (prompt.size() > kMostPrompts) {
      fail_field("prompt", "prompt has {} prompts, but may have {} at most", prompt.size(), kMostPrompts);
    }
    for (const Json& element : prompt) {
      if (element.is_string()) {
        add_text_prompt(element.get<std::string>(), tokenizer, request);
      } else {
        add_token_prompt(element, *request.model, request);
      }
    }
  }
  for (const auto& ids : request.prompts) {
    if (ids.empty()) fail_field("prompt", "prompt is empty: give at least one token");
  }
}

CompletionRequest read_completion(const Json& body, ServerState& state) {
  const JsonFields fields(body);
  CompletionRequest request;
  request.model = state.models.get(fields.text("model").value_or(""));
  const Engine& engine = *request.model->engine;
  if (fields.find("suffix")) fail_field("suffix", "suffix is not supported: these models only go on");
  read_prompts(fields, request);
  GenerateParams& params = request.params;
  read_decoding(fields, engine.model().config().vocab, params);
  request.choices = params.beams.searches() ? params.beams.num_return_sequences : params.choices;
  if (const auto best = fields.integer("best_of", 1, kMostChoices); best && *best != request.choices) {
    fail_field("best_of", "best_of is not supported beyond n: use num_beams");
  }
  request.echo = fields.boolean("echo").value_or(false);
  const int64_t tokens = fields.integer("max_tokens", 0, INT32_MAX).value_or(kDefaultTokens);
  request.only_prompt = tokens == 0;
  if (request.only_prompt && !request.echo) fail_field("max_tokens", "max_tokens is 0, which needs echo");
  params.max_new_tokens = uint32_t(std::max<int64_t>(tokens, 1));
  // OpenAI's older API takes a number; clients that follow the chat API write true.
  const Json* logprobs = fields.find("logprobs");
  if (logprobs && logprobs->is_boolean()) {
    params.top_logprobs = logprobs->get<bool>() ? 0 : -1;
  } else if (const auto top = fields.integer("logprobs", 0, 20)) {
    params.top_logprobs = int(*top);
  }
  params.prompt_logprobs = request.echo && request.logprobs();
  read_response_format(fields, *request.model->grammars, params);
  request.stream = fields.boolean("stream").value_or(false);
  if (const Json* options = fields.object("stream_options")) {
    request.include_usage = JsonFields(*options, "stream_options.").boolean("include_usage").value_or(false);
  }
  return request;
}

/// One choice of one prompt as it comes.
class CompletionChoice {
 public:
  CompletionChoice(const CompletionRequest& request, size_t prompt)
      : request_(request), prompt_(prompt), logprobs_(request.model->engine->tokenizer()) {}

  /// The text that a piece adds, its prompt before the first one where it is echoed.
  std::string add(const AnswerPiece& piece, const RequestHandle& handle) {
    std::string text;
    if (!begun_ && request_.echo) {
      text = request_.texts[prompt_];
      bool known = false;
      for (const TokenLogprob& token : handle.prompt_logprobs()) {
        logprobs_.add(token, known);
        known = true;
      }
    }
    begun_ = true;
    if (piece.reason) reason_ = finish_reason(*piece.reason);
    if (request_.only_prompt) return text;
    if (request_.logprobs()) {
      for (const TokenLogprob& token : piece.tokens) logprobs_.add(token);
    }
    return text + piece.text;
  }

  Json take_logprobs() { return request_.logprobs() ? logprobs_.take() : Json(); }
  const std::string& reason() const { return reason_; }

 private:
  const CompletionRequest& request_;
  size_t prompt_;
  CompletionLogprobs logprobs_;
  bool begun_ = false;
  std::string reason_ = "length";
};

std::vector<CompletionChoice> make_choices(const CompletionRequest& request) {
  std::vector<CompletionChoice> choices;
  for (size_t prompt = 0; prompt < request.prompts.size(); ++prompt) {
    for (uint32_t i = 0; i < request.choices; ++i) choices.emplace_back(request, prompt);
  }
  return choices;
}

Json completion_head(const LoadedModel& model) {
  return {
      {"id", new_id("cmpl-")}, {"object", "text_completion"}, {"created", unix_time()}, {"model", model.id}};
}

Json choice_json(size_t index, const std::string& text, Json logprobs, Json reason) {
  return {{"index", index},
          {"text", text},
          {"logprobs", std::move(logprobs)},
          {"finish_reason", std::move(reason)}};
}

/// The model has to be asked for a token where the prompt alone is wanted: nobody sees it.
Json usage_json(const CompletionRequest& request, const Answers& answers) {
  Json usage = answers.usage_json();
  if (request.only_prompt) {
    usage["completion_tokens"] = 0;
    usage["total_tokens"] = usage["prompt_tokens"];
  }
  return usage;
}

void respond_completions(Exchange& exchange, const CompletionRequest& request, Answers& answers,
                         ServerState& state) {
  auto choices = make_choices(request);
  std::vector<std::string> texts(choices.size());
  bool any = false;
  const auto end =
      answers.run(exchange, [&](size_t prompt, const AnswerPiece& piece, const RequestHandle& handle) {
        const size_t index = prompt * request.choices + piece.choice;
        texts.at(index) += choices.at(index).add(piece, handle);
        return any = true;
      });
  if (end == Answers::End::client_gone) exchange.log["client_gone"] = true;
  check_end(end, any);
  Json list = Json::array();
  for (size_t i = 0; i < choices.size(); ++i) {
    list.push_back(choice_json(i, texts[i], choices[i].take_logprobs(), choices[i].reason()));
    if (state.log_prompts) exchange.log["answers"].push_back(texts[i]);
  }
  Json body = completion_head(*request.model);
  body["choices"] = std::move(list);
  body["usage"] = usage_json(request, answers);
  body["timings"] = answers.timings_json();
  exchange.respond(body);
}

/// Reasons come last, the last of all with the figures.
void stream_completions(Exchange& exchange, const CompletionRequest& request, Answers& answers,
                        EventStream& events) {
  auto choices = make_choices(request);
  const Json chunk_head = completion_head(*request.model);
  const auto send = [&](Json list, const Json& extra) {
    Json chunk = chunk_head;
    chunk["choices"] = std::move(list);
    if (request.include_usage) chunk["usage"] = nullptr;
    chunk.update(extra);
    return events.send(chunk);
  };
  bool any = false;
  const auto end =
      answers.run(exchange, [&](size_t prompt, const AnswerPiece& piece, const RequestHandle& handle) {
        const size_t index = prompt * request.choices + piece.choice;
        const std::string text = choices.at(index).add(piece, handle);
        any = true;
        if (text.empty()) return true;
        return send(Json::array({choice_json(index, text, choices[index].take_logprobs(), nullptr)}),
                    Json::object());
      });
  exchange.log["tokens"] = usage_json(request, answers);
  if (end == Answers::End::client_gone) {
    exchange.log["client_gone"] = true;
    return;
  }
  check_end(end, any);
  const Json figures = {{"usage", usage_json(request, answers)}, {"timings", answers.timings_json()}};
  for (size_t i = 0; i < choices.size(); ++i) {
    const bool last = i + 1 == choices.size() && !request.include_usage;
    send(Json::array({choice_json(i, "", choices[i].take_logprobs(), choices[i].reason())}),
         last ? figures : Json::object());
  }
  if (request.include_usage) send(Json::array(), figures);
  events.done();
}

void complete(Exchange& exchange, ServerState& state) {
  auto request = std::make_shared<CompletionRequest>(
      read_completion(JsonFields::parse_body(exchange.request.body), state));
  exchange.log["model"] = request->model->id;
  if (state.log_prompts) exchange.log["prompts"] = request->texts;
  std::vector<Request> requests;
  for (const auto& ids : request->prompts) requests.push_back({ids, request->params});
  auto answers = std::make_shared<Answers>(state, request->model, std::move(requests));
  if (request->stream) {
    respond_with_events(exchange, [&exchange, request, answers](EventStream& events) {
      stream_completions(exchange, *request, *answers, events);
    });
  } else {
    respond_completions(exchange, *request, *answers, state);
    exchange.log["tokens"] = usage_json(*request, *answers);
  }
}

}  // namespace

void add_completions_endpoint(Router& router, ServerState& state) {
  router.add("POST", "/v1/completions", [&state](Exchange& exchange) { complete(exchange, state); });
}

}  // namespace nibble
