#include "cli/chat_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "cli/decoding_options.h"
#include "cli/output_path.h"
#include "cli/terminal.h"

namespace nibble {

namespace {

using nlohmann::ordered_json;

std::string without_leading_space(const std::string& text) {
  const size_t first = text.find_first_not_of(" \n\t");
  return first == std::string::npos ? std::string() : text.substr(first);
}

}  // namespace

ChatSession::ChatSession(Engine& engine, const GenerateParams& params,
                         const std::function<void(const std::string&)>& notice)
    : engine_(engine), params_(params), notice_(notice) {}

std::vector<ChatMessage> ChatSession::visible_messages() const {
  std::vector<ChatMessage> visible;
  if (!system_.empty()) visible.push_back({"system", system_});
  visible.insert(visible.end(), messages_.begin() + ptrdiff_t(forgotten_), messages_.end());
  return visible;
}

std::vector<int32_t> ChatSession::fitting_prompt() {
  const uint32_t context = engine_.context(), most = engine_.model().config().context_length;
  const size_t room = std::min<size_t>(params_.max_new_tokens, context / 4);
  const size_t before = forgotten_;
  std::vector<int32_t> prompt = engine_.encode_chat(visible_messages());
  while (prompt.size() + room > context && forgotten_ + 1 < messages_.size()) {
    forgotten_ += 2;
    prompt = engine_.encode_chat(visible_messages());
  }
  if (prompt.size() >= context) {
    forgotten_ = before;
    fail(
        "the message has {} tokens, but the context is {}: shorten it, or start with a larger --context "
        "(this "
        "model allows {})",
        prompt.size(), context, most);
  }
  if (forgotten_ > before) {
    notice_(
        fmt::format("the context of {} tokens is full: the model no longer sees the oldest {}; "
                    "/clear begins anew, --context allows up to {}",
                    context, counted(forgotten_ / 2, "exchange"), most));
  }
  return prompt;
}

Generation ChatSession::answer(const OnText& on_text) {
  const std::vector<int32_t> prompt = fitting_prompt();
  GenerateParams params = params_;
  if (params.sampling.seed != 0) params.sampling.seed += answers_;
  const auto stops = ChatTemplate::preset_stops(engine_.has_chat_template() ? template_ : "chatml");
  params.stop.insert(params.stop.end(), stops.begin(), stops.end());

  bool begun = false;
  Generation result = engine_.generate(prompt, params, [&](std::string_view piece) {
    // Most models begin with a space or a line, which belongs to the template and not to the answer.
    if (!begun) piece.remove_prefix(std::min(piece.find_first_not_of(" \n\t"), piece.size()));
    begun = begun || !piece.empty();
    return on_text(piece);
  });
  ++answers_;
  result.text = without_leading_space(result.text);
  if (result.reason == StopReason::max_new_tokens) {
    notice_(fmt::format("stopped after {} tokens: /set max_new_tokens allows more", result.tokens.size()));
  } else if (result.reason == StopReason::context_full) {
    notice_(
        fmt::format("the answer was cut: the context of {} tokens is full; /clear begins anew, or start with "
                    "a larger --context (this model allows {})",
                    engine_.context(), engine_.model().config().context_length));
  }
  return result;
}

Generation ChatSession::ask(const std::string& message, const OnText& on_text) {
  messages_.push_back({"user", message});
  try {
    Generation result = answer(on_text);
    if (result.tokens.empty()) {
      messages_.pop_back();
    } else {
      messages_.push_back({"assistant", result.text});
    }
    return result;
  } catch (...) {
    messages_.pop_back();
    throw;
  }
}

Generation ChatSession::regenerate(const OnText& on_text) {
  if (messages_.empty()) fail("there is no answer yet to generate again: type a message first");
  ChatMessage old = std::move(messages_.back());
  messages_.pop_back();
  try {
    Generation result = answer(on_text);
    messages_.push_back(result.tokens.empty() ? std::move(old) : ChatMessage{"assistant", result.text});
    return result;
  } catch (...) {
    messages_.push_back(std::move(old));
    throw;
  }
}

void ChatSession::clear() {
  messages_.clear();
  forgotten_ = 0;
}

void ChatSession::set_template(const std::string& name) {
  if (name == "model") {
    engine_.use_own_chat_template();
  } else {
    const auto names = ChatTemplate::preset_names();
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      fail("there is no template '{}': choose {} or model", name, fmt::join(names, ", "));
    }
    engine_.set_chat_template(ChatTemplate::preset(name));
  }
  template_ = name;
}

void ChatSession::save(const std::filesystem::path& path) const {
  check_output_path("/save", path.string(), {engine_.model().checkpoint().path().string()});
  ordered_json messages = ordered_json::array(), parameters = ordered_json::object();
  for (const ChatMessage& m : messages_) messages.push_back({{"role", m.role}, {"content", m.content}});
  for (const DecodingParameter& p : decoding_parameters()) parameters[p.name] = p.get(params_);
  const ordered_json file = {{"model", engine_.model().checkpoint().path().string()},
                             {"template", template_},
                             {"system", system_},
                             {"parameters", parameters},
                             {"stop", params_.stop},
                             {"messages", messages}};
  write_file(path, file.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n");
}

void ChatSession::load(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  try {
    const auto file = ordered_json::parse(text);
    ChatSession loaded(engine_, params_, notice_);
    for (const auto& message : file.at("messages")) {
      const std::string wanted = loaded.messages_.size() % 2 ? "assistant" : "user";
      if (message.at("role") != wanted)
        fail("message {} is not the {}'s", loaded.messages_.size() + 1, wanted);
      loaded.messages_.push_back({wanted, message.at("content").get<std::string>()});
    }
    if (loaded.messages_.size() % 2) fail("the last message has no answer");
    loaded.system_ = file.value("system", "");
    loaded.params_.stop = file.value("stop", std::vector<std::string>());
    const ordered_json parameters = file.value("parameters", ordered_json::object());
    for (const auto& [name, value] : parameters.items()) {
      const DecodingParameter* parameter = find_decoding_parameter(name);
      if (!parameter) fail("there is no parameter {}", name);
      parameter->set(loaded.params_, value.get<std::string>());
    }
    set_template(file.value("template", "model"));
    params_ = loaded.params_;
    system_ = loaded.system_;
    messages_ = std::move(loaded.messages_);
    forgotten_ = 0;
  } catch (const std::exception& error) {
    fail("{}: {}; it is no conversation that /save wrote", path.string(), error.what());
  }
}

}  // namespace nibble
