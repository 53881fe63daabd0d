#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

/// How a model writes that it calls a tool.
enum class ToolCallForm {
  tagged,     ///< <tool_call>{"name", "arguments"}</tool_call>, as Hermes, Qwen and SmolLM2 do; a list too
  bare_json,  ///< the answer is {"name", "parameters"} (Llama 3), or [TOOL_CALLS] [{"name", "arguments"}]
              ///< (Mistral)
};

/// The form that a chat template asks of its model.
ToolCallForm tool_call_form(std::string_view chat_template);

struct ToolCall {
  std::string name, arguments;  ///< arguments: JSON
};

/// What tells a model of its tools when its chat template does not.
std::string describe_tools(const nlohmann::ordered_json& tools);

/// The calls that a JSON text holds, one after the other or in a list; none when it is anything else.
std::vector<ToolCall> parse_tool_calls(std::string_view json);

/// Takes an answer's text as it comes, and separates tool calls from what is said. A call is given once it is
/// complete; text that looks like a call and is none is given as text.
class ToolCallParser {
 public:
  explicit ToolCallParser(ToolCallForm form) : form_(form) {}

  struct Found {
    std::string content;
    std::vector<ToolCall> calls;
  };
  Found add(std::string_view text);
  Found finish();

 private:
  void take_tagged(Found& found, bool last);
  void take_bare(Found& found, bool last);

  ToolCallForm form_;
  std::string held_;
  bool inside_ = false, text_begun_ = false;
};

}  // namespace nibble
