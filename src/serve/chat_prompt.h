#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "serve/json_fields.h"
#include "serve/tool_calls.h"

namespace nibble {

/// A conversation as the model gets it.
struct ChatPrompt {
  std::string text;
  std::vector<int32_t> tokens;
  std::vector<std::string> stops;                       ///< of a prompt format whose turns no token ends
  std::optional<ToolCallForm> tools;                    ///< set when the answer may call tools
  const nlohmann::ordered_json* forced_tool = nullptr;  ///< the answer must be a call of this one
  bool must_call = false;                               ///< the answer must be a call of any tool
};

/// Reads messages, tools, tool_choice, prompt_format, add_generation_prompt and chat_template_kwargs of a
/// request, which must outlive the result. Throws ApiError for what can't be used.
ChatPrompt make_chat_prompt(const JsonFields& fields, const Engine& engine);

}  // namespace nibble
