#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace nibble {

/// A conversation: what was said, by which template it is put to the model, and with which parameters
/// the model answers.
class ChatSession {
 public:
  /// `notice` gets what the user should know about the conversation, a line each.
  ChatSession(Engine& engine, const GenerateParams& params,
              const std::function<void(const std::string&)>& notice);

  using OnText = std::function<bool(std::string_view)>;
  /// Asks, and keeps question and answer. When the conversation does not fit the context any more, the
  /// oldest exchanges are left out, and a notice says so. Throws Error when the message alone does not
  /// fit; the conversation is as before then.
  Generation ask(const std::string& message, const OnText& on_text);
  /// Another answer to the last message. Throws Error when there is none.
  Generation regenerate(const OnText& on_text);

  void clear();  ///< the messages, not the system message
  void set_system(const std::string& text) { system_ = text; }
  const std::string& system() const { return system_; }
  /// "alpaca", "chatml", "llama2", or "model" for its own. Throws Error that lists the names.
  void set_template(const std::string& name);
  const std::string& template_name() const { return template_; }

  /// The conversation with system message, template and parameters as JSON.
  void save(const std::filesystem::path& path) const;
  /// Throws Error naming the file and what is wrong; the conversation is as before then.
  void load(const std::filesystem::path& path);

  GenerateParams& params() { return params_; }
  const GenerateParams& params() const { return params_; }
  Engine& engine() { return engine_; }
  size_t exchanges() const { return messages_.size() / 2; }

 private:
  Generation answer(const OnText& on_text);
  std::vector<int32_t> fitting_prompt();
  std::vector<ChatMessage> visible_messages() const;

  Engine& engine_;
  GenerateParams params_;
  std::function<void(const std::string&)> notice_;
  std::string system_, template_ = "model";
  std::vector<ChatMessage> messages_;  ///< question, answer, question, ...
  size_t forgotten_ = 0;               ///< of them, the first ones, which the model no longer sees
  uint64_t answers_ = 0;               ///< so far, so that each has a seed of its own
};

}  // namespace nibble
