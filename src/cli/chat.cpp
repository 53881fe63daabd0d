#include <fmt/format.h>
#include <unistd.h>

#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "base/progress.h"
#include "cli/chat_commands.h"
#include "cli/chat_input.h"
#include "cli/chat_session.h"
#include "cli/commands.h"
#include "cli/decoding_options.h"
#include "cli/terminal.h"

namespace nibble {

namespace {

struct ChatFlags {
  CommonOptions common;
  DecodingOptions decoding;
  std::string model, prompt, system, chat_template = "model";
  CLI::App* command = nullptr;
};

/// Puts messages to the model and prints its answers, on a terminal or in a pipe.
class Chat {
 public:
  Chat(Engine& engine, const ChatFlags& options)
      : quiet_(options.common.quiet),
        terminal_(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)),
        session_(engine, options.decoding.params, [this](const std::string& line) { note(line); }) {
    session_.set_system(options.system);
    session_.set_template(options.chat_template);
  }

  void one_turn(const std::string& message) {
    answer([&](const auto& on_text) { return session_.ask(message, on_text); });
    if (interrupts() > 0) end_interrupted();
  }

  void run() {
    auto input = ChatInput::create(colours_on(STDOUT_FILENO), chat_command_lines());
    if (terminal_) greet();
    bool leaving = false;  // Ctrl-C at the prompt clears the line; the second one leaves
    while (true) {
      std::string message;
      const auto status = input->read(message);
      if (status == ChatInput::Status::end) break;
      if (status == ChatInput::Status::interrupted) {
        if (!terminal_) end_interrupted();
        forget_interrupts();
        const bool cleared = !message.empty();
        if (leaving && !cleared) return;
        leaving = !cleared;
        if (leaving) note("Ctrl-C again or Ctrl-D to leave");
        continue;
      }
      leaving = false;
      if (message.find_first_not_of(" \n\t") == std::string::npos) continue;
      if (!handle(message)) return;
    }
    if (terminal_) std::cout << '\n';
  }

 private:
  /// False when the user wants to leave. On a terminal an error is printed and the conversation goes on.
  bool handle(const std::string& message) {
    try {
      if (!message.starts_with('/')) {
        answer([&](const auto& on_text) { return session_.ask(message, on_text); });
        return true;
      }
      const auto outcome =
          run_chat_command(message, session_, [this](const std::string& line) { note(line); });
      if (outcome == CommandOutcome::regenerate) {
        answer([&](const auto& on_text) { return session_.regenerate(on_text); });
      }
      return outcome != CommandOutcome::quit;
    } catch (const std::exception& error) {
      if (!terminal_) throw;
      close_line();
      std::cout << styled(error.what(), Ink::red, colours_on(STDOUT_FILENO)) << std::endl;
      return true;
    }
  }

  template <typename Ask>
  void answer(Ask ask) {
    forget_interrupts();
    const Generation result = ask([&](std::string_view piece) {
      std::cout << piece << std::flush;
      if (!piece.empty()) line_open_ = piece.back() != '\n';
      return interrupts() == 0;
    });
    if (result.text.empty()) line_open_ = true;  // an empty answer is a line too
    close_line();
    if (!quiet_) print_status(answer_summary(result, session_.engine()));
    if (!terminal_ && interrupts() > 0) end_interrupted();
    forget_interrupts();
    if (terminal_) std::cout << std::endl;
  }

  /// What is not the model's begins on a line of its own.
  void close_line() {
    if (std::exchange(line_open_, false)) std::cout << '\n';
    std::cout << std::flush;
  }

  /// For the user, and never in the way of a script that reads stdout.
  void note(const std::string& line) {
    close_line();
    if (terminal_) {
      std::cout << styled(line, Ink::dim, colours_on(STDOUT_FILENO)) << std::endl;
    } else if (!quiet_) {
      print_status(line);
    }
  }

  void greet() {
    const Model& model = session_.engine().model();
    const Checkpoint& checkpoint = model.checkpoint();
    const bool coloured = colours_on(STDOUT_FILENO);
    const std::string name = checkpoint.path().filename().string();
    std::cout << fmt::format("{}, {:.0f} million parameters, {}, context {}\n",
                             styled(name, Ink::bold, coloured), double(checkpoint.parameters()) / 1e6,
                             readable_bytes(checkpoint.file_bytes()), session_.engine().context());
    note("Type a message. /help lists commands, Ctrl-C stops an answer, Ctrl-D leaves.");
    std::cout << std::endl;
  }

  bool quiet_, terminal_;
  bool line_open_ = false;  ///< the answer did not end its last line yet
  ChatSession session_;
};

void run_chat(ChatFlags& options) {
  check_decoding_options(*options.command, options.decoding);
  Progress::set_quiet(options.common.quiet);
  options.decoding.engine.threads = options.common.threads;
  options.decoding.engine.affinity = options.common.affinity;
  options.decoding.engine.needs_tokenizer = true;
  auto engine = Engine::load(options.model, options.decoding.engine);
  set_grammar(*engine, options.decoding);
  catch_interrupts();
  Chat chat(*engine, options);
  if (!engine->has_chat_template() && !options.common.quiet) {
    print_status("the model brings no chat template: ChatML is used; --template names others");
  }
  if (options.command->count("--prompt") > 0) {
    chat.one_turn(options.prompt);
  } else {
    chat.run();
  }
}

}  // namespace

void add_chat(CLI::App& app) {
  auto options = std::make_shared<ChatFlags>();
  CLI::App* command = add_command(app, "chat", "Talk with a model in the terminal", options->common,
                                  [options] { run_chat(*options); });
  options->command = command;
  command->add_option("model", options->model, "GGUF file or Hugging Face directory")->required();
  command->add_option("-p,--prompt", options->prompt, "Ask this one message, print the answer and end");
  command->add_option("--system", options->system, "System message; default: the template's own");
  auto templates = ChatTemplate::preset_names();
  templates.insert(templates.begin(), "model");
  command
      ->add_option("--template", options->chat_template,
                   "How messages are put; model: as its own template says")
      ->check(CLI::IsMember(templates))
      ->capture_default_str();
  add_decoding_options(*command, options->decoding);
}

}  // namespace nibble
