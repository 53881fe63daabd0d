#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "text/vocabulary.h"

namespace nibble {

namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

/// The file's object; empty when there is no such file.
Json read_object(const fs::path& path) {
  if (!fs::exists(path)) return Json::object();
  Json json = Json::parse(read_file(path));
  if (!json.is_object()) fail("{}: not a JSON object", path.string());
  return json;
}

std::optional<int32_t> find_token(const Vocabulary& vocabulary, const std::string& text) {
  const auto it = std::ranges::find(vocabulary.tokens, text);
  if (it == vocabulary.tokens.end()) return std::nullopt;
  return int32_t(it - vocabulary.tokens.begin());
}

/// A token given as its text, or as an object with its text.
void set_token(std::optional<int32_t>& id, const Vocabulary& vocabulary, const Json& config,
               const char* key) {
  const auto it = config.find(key);
  if (it == config.end() || it->is_null()) return;
  if (const auto found = find_token(vocabulary, it->is_object() ? it->at("content") : *it)) id = found;
}

void set_flag(bool& flag, const Json& config, const char* key) {
  const auto it = config.find(key);
  if (it != config.end() && it->is_boolean()) flag = *it;
}

std::string read_chat_template(const fs::path& directory, const Json& config) {
  if (fs::exists(directory / "chat_template.jinja")) return read_file(directory / "chat_template.jinja");
  const auto it = config.find("chat_template");
  if (it == config.end() || it->is_null()) return {};
  if (it->is_string()) return *it;
  std::string chosen;
  for (const Json& named : *it) {
    if (chosen.empty() || named.at("name") == "default") chosen = named.at("template").get<std::string>();
  }
  return chosen;
}

/// eos_token_id is one number or several; those beside eos end an answer too.
void read_eos_ids(Vocabulary& vocabulary, const Json& config) {
  const auto it = config.find("eos_token_id");
  if (it == config.end() || it->is_null()) return;
  for (const Json& id : it->is_array() ? *it : Json::array({*it})) {
    const auto value = id.get<int32_t>();
    if (!vocabulary.eos) vocabulary.eos = value;
    if (vocabulary.eos != value) vocabulary.end_of_turn.push_back(value);
  }
}

/// Tokens that a directory with tokenizer.model adds to it, by id.
void add_tokens(Vocabulary& vocabulary, const Json& config, const std::string& where) {
  const auto decoder = config.find("added_tokens_decoder");
  if (decoder == config.end()) return;
  std::map<int64_t, Json> by_id;
  for (const auto& [key, token] : decoder->items()) {
    int64_t id = -1;
    std::from_chars(key.data(), key.data() + key.size(), id);
    by_id[id] = token;
  }
  for (const auto& [id, token] : by_id) {
    const auto size = int64_t(vocabulary.tokens.size());
    if (id < 0 || id > size) fail("{}: added token {} leaves a gap after {} tokens", where, id, size);
    const bool special = token.value("special", false);
    const TokenType type = special ? TokenType::control : TokenType::user_defined;
    if (id == size) {
      vocabulary.tokens.push_back(token.at("content"));
      vocabulary.types.push_back(type);
      vocabulary.scores.push_back(0);
    } else if (vocabulary.types[size_t(id)] == TokenType::normal) {
      vocabulary.types[size_t(id)] = type;
    }
    vocabulary.added.push_back({.id = int32_t(id),
                                .special = special,
                                .lstrip = token.value("lstrip", false),
                                .rstrip = token.value("rstrip", false),
                                .single_word = token.value("single_word", false)});
  }
}

void apply_configs(Vocabulary& vocabulary, const fs::path& directory, const Json& config) {
  const Json special = read_object(directory / "special_tokens_map.json");
  for (const Json* source : {&special, &config}) {
    set_token(vocabulary.bos, vocabulary, *source, "bos_token");
    set_token(vocabulary.eos, vocabulary, *source, "eos_token");
    set_token(vocabulary.padding, vocabulary, *source, "pad_token");
  }
  set_flag(vocabulary.add_bos, config, "add_bos_token");
  set_flag(vocabulary.add_eos, config, "add_eos_token");
  read_eos_ids(vocabulary, read_object(directory / "generation_config.json"));
  vocabulary.chat_template = read_chat_template(directory, config);
  add_known_end_of_turn(vocabulary);
}

}  // namespace

Vocabulary read_tokenizer_directory(const std::string& directory) {
  const fs::path json = fs::path(directory) / "tokenizer.json",
                 model = fs::path(directory) / "tokenizer.model";
  const fs::path config_path = fs::path(directory) / "tokenizer_config.json";
  if (!fs::exists(json) && !fs::exists(model)) {
    fail("{}: no tokenizer.json or tokenizer.model here: add the model's tokenizer files", directory);
  }
  try {
    const Json config = read_object(config_path);
    Vocabulary vocabulary;
    if (fs::exists(json)) {
      vocabulary = read_tokenizer_json(read_file(json), json.string());
    } else {
      vocabulary = read_sentencepiece_model(read_file(model), model.string());
      add_tokens(vocabulary, config, config_path.string());
    }
    apply_configs(vocabulary, directory, config);
    check_vocabulary(vocabulary, directory);
    return vocabulary;
  } catch (const Json::exception& error) {
    fail("{}: a configuration file of the tokenizer can't be used: {}", directory, error.what());
  }
}

}  // namespace nibble
