#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

struct ChatMessage {
  std::string role;  ///< "system", "user", "assistant", "tool"
  std::string content;
};

/// A Jinja chat template as Hugging Face and GGUF files carry, rendered as Python's jinja2 renders it
/// with transformers' settings (ImmutableSandboxedEnvironment, trim_blocks, lstrip_blocks, loop
/// controls, generation tag, raise_exception, strftime_now, tojson). Templates are not trusted: what a
/// rendering may take is limited (text/jinja/limits.h). Immutable and safe to share between threads.
class ChatTemplate {
 public:
  /// Throws Error with the line of a template that can't be parsed.
  explicit ChatTemplate(std::string_view source);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  /// A named preset: "alpaca", "chatml", "llama2". Throws Error that lists the names.
  static ChatTemplate preset(std::string_view name);
  static std::vector<std::string> preset_names();
  /// Where models go on to write the user's next message that don't end a turn of the preset by a token;
  /// none for other names.
  static std::vector<std::string> preset_stops(std::string_view name);

  /// `context` is an object with the variables: messages, add_generation_prompt, bos_token, eos_token,
  /// tools, ... Throws Error of one line with the line of the template that failed, and the template's
  /// own message where it raises one (raise_exception).
  std::string render(const nlohmann::ordered_json& context) const;
  std::string render(const std::vector<ChatMessage>& messages, bool add_generation_prompt,
                     std::string_view bos_token, std::string_view eos_token) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nibble
