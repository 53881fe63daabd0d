#include "serve/tool_calls.h"

#include <algorithm>

namespace nibble {

namespace {

using nlohmann::ordered_json;

constexpr std::string_view kOpen = "<tool_call>", kClose = "</tool_call>", kMistral = "[TOOL_CALLS]";
constexpr std::string_view kSpace = " \t\r\n";

/// Where the end of text begins that may go on to be `tag`, with the white space before it.
size_t possible_begin(std::string_view text, std::string_view tag) {
  size_t begin = text.size();
  for (size_t length = std::min(text.size(), tag.size() - 1); length > 0; --length) {
    if (!text.ends_with(tag.substr(0, length))) continue;
    begin = text.size() - length;
    break;
  }
  while (begin > 0 && kSpace.find(text[begin - 1]) != std::string_view::npos) --begin;
  return begin;
}

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool take_calls(const ordered_json& value, std::vector<ToolCall>& calls) {
  if (value.is_array()) {
    return !value.empty() && std::all_of(value.begin(), value.end(),
                                         [&](const auto& element) { return take_calls(element, calls); });
  }
  if (!value.is_object()) return false;
  // Some models repeat OpenAI's shape with a "function" around it.
  if (value.contains("function") && value["function"].is_object())
    return take_calls(value["function"], calls);
  const auto name = value.find("name");
  if (name == value.end() || !name->is_string()) return false;
  auto arguments = value.find("arguments");
  if (arguments == value.end()) arguments = value.find("parameters");
  if (arguments == value.end()) return false;
  calls.push_back(
      {name->get<std::string>(), arguments->is_string() ? arguments->get<std::string>() : arguments->dump()});
  return true;
}

/// The length of the JSON value at the beginning; 0 when it has no end.
size_t json_length(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return i + 1;
    }
  }
  return 0;
}

}  // namespace

ToolCallForm tool_call_form(std::string_view chat_template) {
  const bool names_tools = chat_template.find("tools") != std::string_view::npos;
  const bool tagged = chat_template.find(kOpen) != std::string_view::npos;
  return names_tools && !tagged ? ToolCallForm::bare_json : ToolCallForm::tagged;
}

std::string describe_tools(const ordered_json& tools) {
  std::string text =
      "You may call tools. Each stands on a line, with the JSON schema of its parameters:\n<tools>\n";
  for (const ordered_json& tool : tools) text += tool.dump() + "\n";
  return text +
         "</tools>\nTo call one, answer with nothing but its name and arguments as JSON, like this:\n"
         "<tool_call>\n{\"name\": \"NAME\", \"arguments\": {...}}\n</tool_call>";
}

std::vector<ToolCall> parse_tool_calls(std::string_view json) {
  std::vector<ToolCall> calls;
  for (json = trim(json); !json.empty();) {
    const size_t length = json.front() == '{' || json.front() == '[' ? json_length(json) : 0;
    if (length == 0) return {};
    const ordered_json value = ordered_json::parse(json.substr(0, length), nullptr, false);
    if (value.is_discarded() || !take_calls(value, calls)) return {};
    json = trim(json.substr(length));
    if (json.starts_with(';') || json.starts_with(',')) json = trim(json.substr(1));
  }
  return calls;
}

ToolCallParser::Found ToolCallParser::add(std::string_view text) {
  held_ += text;
  Found found;
  form_ == ToolCallForm::tagged ? take_tagged(found, false) : take_bare(found, false);
  return found;
}

ToolCallParser::Found ToolCallParser::finish() {
  Found found;
  form_ == ToolCallForm::tagged ? take_tagged(found, true) : take_bare(found, true);
  return found;
}

void ToolCallParser::take_tagged(Found& found, bool last) {
  while (!held_.empty()) {
    if (!inside_) {
      const size_t open = held_.find(kOpen);
      if (open == std::string::npos) {
        const size_t certain = last ? held_.size() : possible_begin(held_, kOpen);
        found.content += held_.substr(0, certain);
        held_.erase(0, certain);
        return;
      }
      found.content += held_.substr(0, open);
      // White space before a call only separates it.
      while (!found.content.empty() && kSpace.find(found.content.back()) != std::string_view::npos) {
        found.content.pop_back();
      }
      held_.erase(0, open);
      inside_ = true;
    }
    const size_t close = held_.find(kClose);
    if (close == std::string::npos && !last) return;
    const size_t end = close == std::string::npos ? held_.size() : close + kClose.size();
    const size_t body_end = std::min(close, held_.size());
    auto calls = parse_tool_calls(std::string_view(held_).substr(kOpen.size(), body_end - kOpen.size()));
    if (calls.empty()) found.content += held_.substr(0, end);
    found.calls.insert(found.calls.end(), calls.begin(), calls.end());
    held_.erase(0, end);
    inside_ = false;
  }
}

void ToolCallParser::take_bare(Found& found, bool last) {
  if (!text_begun_) {
    std::string_view text = trim(held_);
    const bool may_be_mark = kMistral.starts_with(text.substr(0, kMistral.size()));
    if (!last && (text.empty() || may_be_mark || text.front() == '{' || text.front() == '[')) return;
    if (text.starts_with(kMistral)) text.remove_prefix(kMistral.size());
    if (last) found.calls = parse_tool_calls(text);
    if (!found.calls.empty()) {
      held_.clear();
      return;
    }
    text_begun_ = true;
  }
  found.content += held_;
  held_.clear();
}

}  // namespace nibble
