#include "serve/chat_prompt.h"

#include <map>

#include "base/error.h"
#include "engine/chat_prompt.h"
#include "serve/api_error.h"

namespace nibble {

namespace {

using Json = nlohmann::ordered_json;

/// Content is a text, or a list of parts of which we can take texts.
std::string read_content(const JsonFields& message) {
  const Json* content = message.find("content");
  if (!content) return {};
  if (content->is_string()) return content->get<std::string>();
  const std::string name = message.path("content");
  if (!content->is_array()) fail_field(name, "{} must be a text or a list of parts", name);
  std::string text;
  for (const Json& part : *content) {
    const JsonFields fields(part, name + "[].");
    if (fields.text("type").value_or("text") != "text") {
      fail_field(name, "{} has a part of type '{}', but this model takes text only", name,
                 *fields.text("type"));
    }
    text += fields.text("text").value_or("");
  }
  return text;
}

/// Templates write arguments themselves, so they get them as an object.
Json read_past_calls(const Json& calls, const std::string& name) {
  Json result = Json::array();
  for (const Json& call : calls) {
    const JsonFields fields(call, name + "[].");
    const Json* function = fields.object("function");
    if (!function) fail_field(name, "{} has a call without its function", name);
    const JsonFields inner(*function, name + "[].function.");
    Json arguments = Json::object();
    if (const auto text = inner.text("arguments")) {
      arguments = Json::parse(*text, nullptr, false);
      if (arguments.is_discarded()) arguments = *text;
    }
    Json entry = {{"type", "function"},
                  {"function", {{"name", inner.text("name").value_or("")}, {"arguments", arguments}}}};
    if (const auto id = fields.text("id")) entry["id"] = *id;
    result.push_back(std::move(entry));
  }
  return result;
}

Json read_messages(const JsonFields& fields) {
  const Json* list = fields.array("messages");
  if (!list || list->empty()) fail_field("messages", "messages must be a list with at least one message");
  Json messages = Json::array();
  for (size_t i = 0; i < list->size(); ++i) {
    const JsonFields message((*list)[i], fmt::format("messages[{}].", i));
    std::string role = message.text("role").value_or("");
    if (role == "developer") role = "system";  // OpenAI's newer name
    if (role != "system" && role != "user" && role != "assistant" && role != "tool") {
      fail_field(message.path("role"), "{} is '{}', but must be system, user, assistant or tool",
                 message.path("role"), role);
    }
    Json entry = {{"role", role}, {"content", read_content(message)}};
    if (const Json* calls = message.array("tool_calls"); calls && !calls->empty()) {
      entry["tool_calls"] = read_past_calls(*calls, message.path("tool_calls"));
    }
    for (const char* name : {"name", "tool_call_id"}) {
      if (const auto text = message.text(name)) entry[name] = *text;
    }
    messages.push_back(std::move(entry));
  }
  return messages;
}

const Json& find_tool(const Json& tools, const std::string& name) {
  for (const Json& tool : tools) {
    if (tool.at("function").at("name") == name) return tool;
  }
  fail_field("tool_choice", "tool_choice names '{}', which is not among the tools", name);
}

/// Null when the answer may not call any.
const Json* read_tools(const JsonFields& fields, ChatPrompt& prompt) {
  const Json *tools = fields.array("tools"), *choice = fields.find("tool_choice");
  if (!tools || tools->empty()) {
    if (choice && *choice != "auto" && *choice != "none") {
      fail_field("tool_choice", "tool_choice asks for a call, but there are no tools: give some");
    }
    return nullptr;
  }
  for (const Json& tool : *tools) {
    const JsonFields entry(tool, "tools[].");
    const Json* function = entry.object("function");
    if (entry.text("type").value_or("function") != "function" || !function ||
        !JsonFields(*function, "tools[].function.").text("name")) {
      fail_field("tools",
                 "tools must hold functions with a name: "
                 "{{\"type\": \"function\", \"function\": {{\"name\": ...}}}}");
    }
  }
  if (!choice || *choice == "auto") return tools;
  if (*choice == "none") return nullptr;
  prompt.must_call = true;
  if (*choice == "required") return tools;
  const Json* named = choice->is_object() ? JsonFields(*choice, "tool_choice.").object("function") : nullptr;
  if (!named) fail_field("tool_choice", "tool_choice must be none, auto, required or a function's name");
  prompt.forced_tool =
      &find_tool(*tools, JsonFields(*named, "tool_choice.function.").text("name").value_or(""));
  return tools;
}

/// Presets are parsed once.
const ChatTemplate& preset(const std::string& name) {
  static const std::map<std::string, ChatTemplate> presets = [] {
    std::map<std::string, ChatTemplate> all;
    for (const std::string& preset_name : ChatTemplate::preset_names()) {
      all.emplace(preset_name, ChatTemplate::preset(preset_name));
    }
    return all;
  }();
  const auto found = presets.find(name);
  if (found != presets.end()) return found->second;
  std::string names = "own";
  for (const auto& [known, unused] : presets) names += ", " + known;
  fail_field("prompt_format", "prompt_format is '{}', but must be one of {}", name, names);
}

/// Puts the description in front of the system message, or makes one.
void add_description(Json& messages, const std::string& text) {
  if (messages.front()["role"] == "system") {
    messages.front()["content"] = text + "\n\n" + messages.front()["content"].get<std::string>();
  } else {
    messages.insert(messages.begin(), Json{{"role", "system"}, {"content", text}});
  }
}

}  // namespace

ChatPrompt make_chat_prompt(const JsonFields& fields, const Engine& engine) {
  ChatPrompt prompt;
  Json messages = read_messages(fields);
  const Json* tools = read_tools(fields, prompt);
  const std::string format = fields.text("prompt_format").value_or("own");
  const bool own = format == "own";
  const std::string& source = engine.tokenizer().vocabulary().chat_template;
  const bool knows_tools = own && source.find("tools") != std::string::npos;

  Json context = Json::object();
  if (const Json* extra = fields.object("chat_template_kwargs")) context = *extra;
  if (tools) {
    prompt.tools = knows_tools ? tool_call_form(source) : ToolCallForm::tagged;
    if (knows_tools) {
      context["tools"] = *tools;
    } else {
      add_description(messages, describe_tools(*tools));
    }
  }
  context["messages"] = std::move(messages);
  context["add_generation_prompt"] = fields.boolean("add_generation_prompt").value_or(true);
  prompt.stops = ChatTemplate::preset_stops(own && engine.has_chat_template() ? "model"
                                            : own                             ? "chatml"
                                                                              : format);
  try {
    prompt.text = render_chat(own ? engine.chat_template() : preset(format), engine.tokenizer(), context);
    prompt.tokens = encode_rendered(engine.tokenizer(), prompt.text);
  } catch (const Error& error) {
    fail_field("messages", "the chat template can't put these messages: {}", error.what());
  }
  return prompt;
}

}  // namespace nibble
