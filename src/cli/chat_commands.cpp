#include "cli/chat_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "cli/decoding_options.h"
#include "cli/terminal.h"

namespace nibble {

namespace {

using Print = std::function<void(const std::string&)>;

struct Command {
  const char* name;
  const char* argument;  ///< as /help shows it
  const char* description;
  CommandOutcome (*run)(const std::string& argument, ChatSession& session, const Print& print);
};

CommandOutcome help(const std::string&, ChatSession&, const Print& print);

std::filesystem::path file_argument(const std::string& argument) {
  if (argument.empty()) fail("name a file, as in /save talk.json");
  const char* home = std::getenv("HOME");
  if (home && argument.starts_with("~/")) return std::filesystem::path(home) / argument.substr(2);
  return argument;
}

std::string quoted(const std::vector<std::string>& texts) {
  std::string line;
  for (const std::string& text : texts) line += fmt::format("{}{:?}", line.empty() ? "" : ", ", text);
  return line.empty() ? "none" : line;
}

CommandOutcome show(const std::string&, ChatSession& session, const Print& print) {
  for (const DecodingParameter& p : decoding_parameters()) {
    print(fmt::format("  {:<20}{:<10}{}", p.name, p.get(session.params()), p.description));
  }
  print(fmt::format("  {:<20}{}", "stop", quoted(session.params().stop)));
  print(fmt::format("  {:<20}{}", "template", session.template_name()));
  print(fmt::format("  {:<20}{}", "system", session.system().empty() ? "the template's" : session.system()));
  print(fmt::format("  {:<20}{}", "exchanges", session.exchanges()));
  return CommandOutcome::done;
}

CommandOutcome set(const std::string& argument, ChatSession& session, const Print& print) {
  const size_t space = std::min(argument.find(' '), argument.size());
  const std::string name = argument.substr(0, space);
  const std::string value =
      argument.substr(std::min(argument.find_first_not_of(' ', space), argument.size()));
  GenerateParams& params = session.params();
  if (name == "stop") {
    params.stop.clear();
    if (!value.empty()) params.stop.push_back(value);
    print("stop: " + quoted(params.stop));
    return CommandOutcome::done;
  }
  const DecodingParameter* parameter = find_decoding_parameter(name);
  if (!parameter)
    fail("there is no parameter '{}': /show lists them, /set temperature 0.7 changes one", name);
  if (value.empty()) fail("say what to set {} to; now it is {}", parameter->name, parameter->get(params));
  parameter->set(params, value);
  print(fmt::format("{}: {}", parameter->name, parameter->get(params)));
  if (params.sampling.greedy && parameter->shapes_sampling()) {
    print("no effect while greedy is on: /set greedy off");
  }
  return CommandOutcome::done;
}

CommandOutcome system(const std::string& argument, ChatSession& session, const Print& print) {
  session.set_system(argument);
  print(argument.empty() ? "system message: the template's" : "system message: " + argument);
  return CommandOutcome::done;
}

CommandOutcome clear(const std::string&, ChatSession& session, const Print& print) {
  session.clear();
  print("the conversation begins anew");
  return CommandOutcome::done;
}

CommandOutcome set_template(const std::string& argument, ChatSession& session, const Print& print) {
  if (!argument.empty()) session.set_template(argument);
  print("template: " + session.template_name());
  return CommandOutcome::done;
}

CommandOutcome regenerate(const std::string&, ChatSession& session, const Print& print) {
  if (session.params().sampling.greedy) {
    print("greedy decoding gives the same answer unless something was changed: /set greedy off");
  }
  return CommandOutcome::regenerate;
}

CommandOutcome save(const std::string& argument, ChatSession& session, const Print& print) {
  const auto path = file_argument(argument);
  session.save(path);
  print(fmt::format("saved {} to {}", counted(session.exchanges(), "exchange"), path.string()));
  return CommandOutcome::done;
}

CommandOutcome load(const std::string& argument, ChatSession& session, const Print& print) {
  const auto path = file_argument(argument);
  session.load(path);
  print(fmt::format("loaded {} from {}", counted(session.exchanges(), "exchange"), path.string()));
  return CommandOutcome::done;
}

CommandOutcome quit(const std::string&, ChatSession&, const Print&) {
  return CommandOutcome::quit;
}

constexpr std::array kCommands = {
    Command{"help", "", "Show this list", help},
    Command{"show", "", "Show all parameters", show},
    Command{"set", "NAME VALUE", "Change a parameter: /set temperature 0.7, /set greedy on, /set stop ###",
            set},
    Command{"system", "TEXT", "Set the system message; without text: the template's own", system},
    Command{"template", "NAME", "Put messages as alpaca, chatml, llama2, or as the model's own (model)",
            set_template},
    Command{"regenerate", "", "Answer the last message again", regenerate},
    Command{"clear", "", "Forget the conversation", clear},
    Command{"save", "FILE", "Write the conversation as JSON", save},
    Command{"load", "FILE", "Go on with a saved conversation", load},
    Command{"quit", "", "Leave; so does Ctrl-D", quit},
};

CommandOutcome help(const std::string&, ChatSession&, const Print& print) {
  for (const Command& c : kCommands) {
    print(fmt::format("  {:<18}{}", fmt::format("/{} {}", c.name, c.argument), c.description));
  }
  print("A line that ends with \\ goes on in the next one; so does all between two lines of \"\"\".");
  print("Ctrl-C stops the answer; Tab completes commands; a space before / sends it as text.");
  return CommandOutcome::done;
}

}  // namespace

CommandOutcome run_chat_command(const std::string& line, ChatSession& session, const Print& print) {
  const size_t space = std::min(line.find_first_of(" \n"), line.size());
  const std::string name = line.substr(1, space - 1);
  std::string argument = line.substr(std::min(line.find_first_not_of(" \n", space), line.size()));
  argument.erase(argument.find_last_not_of(" \n") + 1);
  const auto found =
      std::find_if(kCommands.begin(), kCommands.end(), [&](const Command& c) { return name == c.name; });
  if (found == kCommands.end()) {
    fail("there is no command /{}: /help lists them; put a space before / to send it as text", name);
  }
  if (!argument.empty() && *found->argument == 0) fail("/{} takes nothing after it", name);
  return found->run(argument, session, print);
}

std::vector<std::string> chat_command_lines() {
  std::vector<std::string> lines;
  for (const Command& c : kCommands) lines.push_back(fmt::format("/{}{}", c.name, *c.argument ? " " : ""));
  for (const DecodingParameter& p : decoding_parameters()) lines.push_back(fmt::format("/set {} ", p.name));
  lines.emplace_back("/set stop ");
  for (const std::string& name : ChatTemplate::preset_names()) lines.push_back("/template " + name);
  lines.emplace_back("/template model");
  return lines;
}

}  // namespace nibble
