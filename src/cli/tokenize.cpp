#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "cli/commands.h"
#include "engine/vocabulary_loader.h"
#include "text/tokenizer.h"

namespace nibble {

namespace {

struct TokenizeFlags {
  CommonOptions common;
  std::string model, text, file;
  bool has_text = false;
  bool no_special = false, parse_special = false, json = false;
};

/// The token's text on one line: quotes and control characters escaped, broken characters as U+FFFD.
std::string quoted(const std::string& piece) {
  return nlohmann::json(piece).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void run_tokenize(const TokenizeFlags& options) {
  if (options.has_text == !options.file.empty()) throw UsageError("tokenize: give either --text or --file");
  const std::string text = options.has_text ? options.text : read_file(options.file);
  const auto tokenizer = Tokenizer::create(open_vocabulary(options.model));
  const std::vector<int32_t> ids =
      tokenizer->encode(text, {.add_special = !options.no_special, .parse_special = options.parse_special});
  if (options.json) {
    fmt::print("{}\n", nlohmann::json{{"ids", ids}}.dump());
    return;
  }
  for (const int32_t id : ids) fmt::print("{}\t{}\n", id, quoted(tokenizer->piece(id, true)));
}

}  // namespace

void add_tokenize(CLI::App& app) {
  auto options = std::make_shared<TokenizeFlags>();
  CLI::App* command = add_command(app, "tokenize", "Show the tokens that a model sees in a text",
                                  options->common, [options] { run_tokenize(*options); });
  command
      ->add_option("MODEL", options->model,
                   "GGUF file, Hugging Face directory, tokenizer.json or tokenizer.model")
      ->required();
  CLI::Option* text = command->add_option("--text", options->text, "The text");
  text->each([options](const std::string&) { options->has_text = true; });
  command->add_option("--file", options->file, "A file with the text; any bytes")->excludes(text);
  command->add_flag("--no-special", options->no_special, "Add no begin or end token");
  command->add_flag("--parse-special", options->parse_special,
                    "Take <|im_start|> and the like in the text for tokens");
  command->add_flag("--json", options->json, R"(Print {"ids":[...]})");
}

}  // namespace nibble
