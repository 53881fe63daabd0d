#include "text/chat_template.h"

#include <algorithm>

#include "base/error.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/json.h"
#include "text/jinja/parser.h"

namespace nibble {

namespace {

/// Messages of raise_exception may have several lines; errors have one.
std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return text;
}

jinja::Body parse(std::string_view source) {
  try {
    return jinja::parse_template(source);
  } catch (const Error& error) {
    fail("chat template, {}", one_line(error.what()));
  }
}

}  // namespace

struct ChatTemplate::Impl {
  jinja::Body body;
};

ChatTemplate::ChatTemplate(std::string_view source) : impl_(std::make_unique<Impl>(Impl{parse(source)})) {}
ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::render(const nlohmann::ordered_json& context) const {
  if (!context.is_object())
    fail("the context of a chat template must be an object, not {}", context.type_name());
  std::vector<std::pair<std::string_view, jinja::Value>> variables;
  uint64_t bytes = 0;
  for (const auto& item : context.items()) {
    variables.emplace_back(item.key(), jinja::from_json(item.value()));
    bytes += variables.back().second.deep_bytes();
  }
  jinja::Interpreter interpreter(variables, bytes);
  try {
    return interpreter.render(impl_->body);
  } catch (const Error& error) {
    fail("chat template, line {}: {}", interpreter.line(), one_line(error.what()));
  }
}

std::string ChatTemplate::render(const std::vector<ChatMessage>& messages, bool add_generation_prompt,
                                 std::string_view bos_token, std::string_view eos_token) const {
  nlohmann::ordered_json context = {{"messages", nlohmann::ordered_json::array()},
                                    {"add_generation_prompt", add_generation_prompt},
                                    {"bos_token", bos_token},
                                    {"eos_token", eos_token}};
  for (const ChatMessage& message : messages) {
    context["messages"].push_back({{"role", message.role}, {"content", message.content}});
  }
  return render(context);
}

}  // namespace nibble
