#include <array>
#include <utility>

#include "base/error.h"
#include "text/chat_template.h"

namespace nibble {

namespace {

/// The form of Stanford Alpaca and Nous-Hermes. A system message stands before the first instruction;
/// an earlier answer ends with the end token, as in training.
constexpr std::string_view kAlpaca = R"({{- bos_token }}
{%- for message in messages %}
  {%- if message.role == 'system' %}
    {{- message.content | trim ~ '\n\n' }}
  {%- elif message.role == 'user' %}
    {{- '### Instruction:\n' ~ message.content | trim ~ '\n\n' }}
  {%- elif message.role == 'assistant' %}
    {{- '### Response:\n' ~ message.content | trim ~ eos_token ~ '\n\n' }}
  {%- else %}
    {{- raise_exception("the alpaca template has no role '" ~ message.role ~ "': use system, user or assistant") }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
  {{- '### Response:\n' }}
{%- endif %})";

/// OpenAI's chat markup language, as Qwen, SmolLM2, Hermes 2 and many others use it. The begin token is
/// left to the tokenizer: those models have none, or it is <|im_start|> itself.
constexpr std::string_view kChatml = R"({%- for message in messages %}
  {{- '<|im_start|>' ~ message.role ~ '\n' ~ message.content ~ '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
  {{- '<|im_start|>assistant\n' }}
{%- endif %})";

/// Llama 2 Chat: user and assistant take turns, the system message is part of the first user's.
constexpr std::string_view kLlama2 = R"({%- set ns = namespace(system='', turn='user') %}
{%- for message in messages %}
  {%- if message.role == 'system' and loop.first %}
    {%- set ns.system = '<<SYS>>\n' ~ message.content | trim ~ '\n<</SYS>>\n\n' %}
  {%- elif message.role != ns.turn %}
    {{- raise_exception("the llama2 template wants user and assistant in turn after an optional system message, found '" ~ message.role ~ "' where '" ~ ns.turn ~ "' is due") }}
  {%- elif message.role == 'user' %}
    {{- bos_token ~ '[INST] ' ~ ns.system ~ message.content | trim ~ ' [/INST]' }}
    {%- set ns.system = '' %}
    {%- set ns.turn = 'assistant' %}
  {%- else %}
    {{- ' ' ~ message.content | trim ~ ' ' ~ eos_token }}
    {%- set ns.turn = 'user' %}
  {%- endif %}
{%- endfor %})";

constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kPresets = {
    {{"alpaca", kAlpaca}, {"chatml", kChatml}, {"llama2", kLlama2}}};

}  // namespace

ChatTemplate ChatTemplate::preset(std::string_view name) {
  std::string names;
  for (const auto& [preset, source] : kPresets) {
    if (preset == name) return ChatTemplate(source);
    names += (names.empty() ? "" : ", ") + std::string(preset);
  }
  fail("there is no chat template '{}': choose one of {}", name, names);
}

std::vector<std::string> ChatTemplate::preset_names() {
  std::vector<std::string> names;
  for (const auto& [preset, source] : kPresets) names.emplace_back(preset);
  return names;
}

std::vector<std::string> ChatTemplate::preset_stops(std::string_view name) {
  if (name == "alpaca") return {"\n### Instruction:", "\n### Input:"};
  if (name == "chatml") return {"<|im_end|>", "<|im_start|>"};
  if (name == "llama2") return {"[INST]"};
  return {};
}

}  // namespace nibble
