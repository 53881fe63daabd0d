#include "text/pre_tokenizer.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "text/regex_splitter.h"

namespace nibble {

const char* const kGpt2Regex =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

constexpr const char* kDigitRegex = R"(\p{N})";
constexpr const char* kLlama3Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kTekkenRegex =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
    R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

const std::vector<NamedPreTokenizer>& named_pre_tokenizers() {
  static const std::vector<NamedPreTokenizer> named = {
      {"llama-bpe", {{kLlama3Regex}}, true, false},
      {"smaug-bpe", {{kLlama3Regex}}, false, false},
      {"smollm", {{kDigitRegex}, {kGpt2Regex}}, false, false},
      {"qwen2", {{kQwen2Regex}}, false, true},
      {"deepseek-r1-qwen", {{kQwen2Regex}}, false, false},
      {"gpt-2", {{kGpt2Regex}}, false, false},
      {"tekken", {{kTekkenRegex}}, true, false},
  };
  return named;
}

/// Other names that llama.cpp gives to the same pre-tokenizers, after the models that came first.
const std::map<std::string_view, std::string_view> kAliases = {
    {"llama3", "llama-bpe"},  {"llama-v3", "llama-bpe"}, {"falcon3", "llama-bpe"},
    {"pixtral", "llama-bpe"}, {"dbrx", "smaug-bpe"},     {"starcoder", "smollm"},
    {"refact", "smollm"},     {"codeshell", "smollm"},   {"stablelm2", "deepseek-r1-qwen"},
    {"default", "gpt-2"},     {"phi-2", "gpt-2"},        {"olmo", "gpt-2"},
};

bool same_regexes(const std::vector<SplitRule>& a, const std::vector<SplitRule>& b) {
  // The named ones match everything, so that there are no gaps to keep or drop.
  return std::ranges::equal(a, b, {}, &SplitRule::regex, &SplitRule::regex);
}

}  // namespace

const NamedPreTokenizer* find_pre_tokenizer(std::string_view name) {
  if (const auto alias = kAliases.find(name); alias != kAliases.end()) name = alias->second;
  for (const NamedPreTokenizer& named : named_pre_tokenizers()) {
    if (named.name == name) return &named;
  }
  return nullptr;
}

const NamedPreTokenizer* find_pre_tokenizer(const std::vector<SplitRule>& splits, bool ignore_merges,
                                            bool nfc) {
  for (const NamedPreTokenizer& named : named_pre_tokenizers()) {
    if (same_regexes(named.splits, splits) && named.ignore_merges == ignore_merges && named.nfc == nfc)
      return &named;
  }
  return nullptr;
}

std::string pre_tokenizer_names() {
  std::vector<std::string_view> names;
  for (const NamedPreTokenizer& named : named_pre_tokenizers()) names.push_back(named.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

PreTokenizer::PreTokenizer(const Vocabulary& vocabulary) {
  const NamedPreTokenizer* named = vocabulary.pre.empty() ? nullptr : find_pre_tokenizer(vocabulary.pre);
  if (!vocabulary.pre.empty() && named == nullptr) {
    fail("unknown pre-tokenizer \"{}\"; known: {}", vocabulary.pre, pre_tokenizer_names());
  }
  const std::vector<SplitRule>& splits = named ? named->splits : vocabulary.splits;
  scanner_ = scanner_for(splits);
  if (scanner_ != Scanner::regex) return;
  for (const SplitRule& rule : splits) splitters_.push_back(std::make_unique<RegexSplitter>(rule));
}

PreTokenizer::~PreTokenizer() = default;

PreTokenizer::Scanner PreTokenizer::scanner_for(const std::vector<SplitRule>& splits) {
  if (same_regexes(splits, {{kGpt2Regex}})) return Scanner::gpt2;
  if (same_regexes(splits, {{kDigitRegex}, {kGpt2Regex}})) return Scanner::smollm;
  if (same_regexes(splits, {{kLlama3Regex}})) return Scanner::llama3;
  if (same_regexes(splits, {{kQwen2Regex}})) return Scanner::qwen2;
  return Scanner::regex;
}

std::vector<std::string_view> PreTokenizer::split_by_regex(std::string_view text) const {
  std::vector<std::string_view> pieces = {text};
  for (const auto& splitter : splitters_) pieces = splitter->split(pieces);
  return pieces;
}

}  // namespace nibble
