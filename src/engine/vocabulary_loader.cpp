#include "engine/vocabulary_loader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "text/pre_tokenizer.h"

namespace nibble {

namespace {

/// tokenizer.ggml.pre of a pre-tokenizer that has no name elsewhere; its expressions stand in
/// nibble.tokenizer.splits, each after "all:" or "matches:".
constexpr const char* kOwnPre = "nibble-split";
constexpr std::string_view kKeepAll = "all:", kKeepMatches = "matches:";

enum AddedFlag : int32_t { kSpecial = 1, kNormalized = 2, kLstrip = 4, kRstrip = 8, kSingleWord = 16 };

template <typename T>
GgufArray array(std::vector<T> values) {
  GgufArray result;
  result.values = std::move(values);
  return result;
}

TokenizerKind read_kind(const GgufMetadata& metadata, const std::string& where) {
  const auto model = metadata.get_string("tokenizer.ggml.model");
  if (!model || *model == "none") fail_without_vocabulary(where);
  if (*model == "llama") return TokenizerKind::sentencepiece;
  if (*model == "gpt2") return TokenizerKind::byte_level_bpe;
  fail("{}: tokenizer.ggml.model is '{}'; nibble reads llama (SentencePiece BPE) and gpt2 (byte-level BPE)",
       where, *model);
}

std::vector<TokenType> read_types(const GgufMetadata& metadata, size_t tokens) {
  const auto values = metadata.get_ints("tokenizer.ggml.token_type");
  if (!values) return std::vector<TokenType>(tokens, TokenType::normal);
  std::vector<TokenType> types;
  types.reserve(values->size());
  for (const int64_t type : *values)
    types.push_back(type >= 1 && type <= 6 ? TokenType(type) : TokenType::undefined);
  return types;
}

std::optional<int32_t> read_id(const GgufMetadata& metadata, const char* key, size_t tokens,
                               const std::string& where) {
  const auto id = metadata.get_int(key);
  // Some converters write -1 (as a signed or unsigned number) for "none".
  if (!id || *id == -1 || *id == 0xffffffff) return std::nullopt;
  if (*id < 0 || uint64_t(*id) >= tokens)
    fail("{}: {} is {}, but there are {} tokens", where, key, *id, tokens);
  return int32_t(*id);
}

void set_id(GgufMetadata& metadata, const char* key, const std::optional<int32_t>& id) {
  if (id) metadata.set(key, uint32_t(*id));
}

void read_pre_tokenizer(const GgufMetadata& metadata, Vocabulary& v, const std::string& where) {
  v.add_space_prefix = false;
  const std::string pre = metadata.get_string("tokenizer.ggml.pre").value_or("gpt-2");
  v.nfc = metadata.get_bool("nibble.tokenizer.nfc").value_or(false);
  v.ignore_merges = metadata.get_bool("nibble.tokenizer.ignore_merges").value_or(false);
  const auto* splits = metadata.get_strings("nibble.tokenizer.splits");
  if (pre == kOwnPre && splits != nullptr) {
    for (const std::string& split : *splits) {
      const bool keep_all = split.starts_with(kKeepAll);
      if (!keep_all && !split.starts_with(kKeepMatches))
        fail("{}: nibble.tokenizer.splits is malformed", where);
      v.splits.push_back({split.substr(keep_all ? kKeepAll.size() : kKeepMatches.size()), keep_all});
    }
    return;
  }
  const NamedPreTokenizer* named = find_pre_tokenizer(pre);
  if (named == nullptr) {
    fail("{}: tokenizer.ggml.pre is '{}', which nibble does not know; known: {}", where, pre,
         pre_tokenizer_names());
  }
  v.pre = named->name;
  v.ignore_merges = named->ignore_merges;
  v.nfc = named->nfc;
}

void write_pre_tokenizer(const Vocabulary& v, GgufMetadata& metadata) {
  metadata.set("tokenizer.ggml.pre", v.pre.empty() ? std::string(kOwnPre) : v.pre);
  if (!v.pre.empty()) return;
  std::vector<std::string> splits;
  for (const SplitRule& rule : v.splits) {
    splits.push_back(std::string(rule.keep_gaps ? kKeepAll : kKeepMatches) + rule.regex);
  }
  metadata.set("nibble.tokenizer.splits", array(std::move(splits)));
  metadata.set("nibble.tokenizer.nfc", v.nfc);
  metadata.set("nibble.tokenizer.ignore_merges", v.ignore_merges);
}

struct SpaceRule {
  const char* key;
  bool Vocabulary::*member;
};
/// How a tokenizer.json deals with spaces where that is not as SentencePiece does.
constexpr SpaceRule kSpaceRules[] = {
    {"nibble.tokenizer.prefix_first_only", &Vocabulary::prefix_first_only},
    {"nibble.tokenizer.metaspace", &Vocabulary::metaspace},
    {"nibble.tokenizer.split_on_spaces", &Vocabulary::split_on_spaces},
};

void read_sentencepiece_rules(const GgufMetadata& metadata, Vocabulary& v) {
  v.add_space_prefix = metadata.get_bool("tokenizer.ggml.add_space_prefix").value_or(true);
  v.remove_extra_whitespaces = metadata.get_bool("tokenizer.ggml.remove_extra_whitespaces").value_or(false);
  v.fuse_unknown = metadata.get_bool("nibble.tokenizer.fuse_unknown").value_or(true);
  for (const SpaceRule& rule : kSpaceRules) v.*rule.member = metadata.get_bool(rule.key).value_or(false);
}

void write_sentencepiece_rules(const Vocabulary& v, GgufMetadata& metadata) {
  metadata.set("tokenizer.ggml.pre", std::string("default"));
  metadata.set("tokenizer.ggml.add_space_prefix", v.add_space_prefix);
  metadata.set("tokenizer.ggml.remove_extra_whitespaces", v.remove_extra_whitespaces);
  if (!v.fuse_unknown) metadata.set("nibble.tokenizer.fuse_unknown", false);
  for (const SpaceRule& rule : kSpaceRules) {
    if (v.*rule.member) metadata.set(rule.key, true);
  }
}

/// Pairs of an id and AddedFlag bits.
void read_added_tokens(const GgufMetadata& metadata, Vocabulary& v, const std::string& where) {
  const auto values = metadata.get_ints("nibble.tokenizer.added_tokens");
  if (!values) return;
  if (values->size() % 2 != 0) fail("{}: nibble.tokenizer.added_tokens is malformed", where);
  for (size_t i = 0; i < values->size(); i += 2) {
    const int64_t flags = (*values)[i + 1];
    v.added.push_back({.id = int32_t(std::clamp<int64_t>((*values)[i], -1, INT32_MAX)),
                       .special = (flags & kSpecial) != 0,
                       .normalized = (flags & kNormalized) != 0,
                       .lstrip = (flags & kLstrip) != 0,
                       .rstrip = (flags & kRstrip) != 0,
                       .single_word = (flags & kSingleWord) != 0});
  }
}

void write_added_tokens(const Vocabulary& v, GgufMetadata& metadata) {
  std::vector<int32_t> values;
  for (const AddedToken& token : v.added) {
    values.push_back(token.id);
    values.push_back((token.special ? kSpecial : 0) | (token.normalized ? kNormalized : 0) |
                     (token.lstrip ? kLstrip : 0) | (token.rstrip ? kRstrip : 0) |
                     (token.single_word ? kSingleWord : 0));
  }
  if (!values.empty()) metadata.set("nibble.tokenizer.added_tokens", array(std::move(values)));
}

void read_end_of_turn(const GgufMetadata& metadata, Vocabulary& v, const std::string& where) {
  for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    if (const auto id = read_id(metadata, key, v.tokens.size(), where)) v.end_of_turn.push_back(*id);
  }
  for (const int64_t id :
       metadata.get_ints("nibble.tokenizer.end_of_turn").value_or(std::vector<int64_t>{})) {
    if (id < 0 || uint64_t(id) >= v.tokens.size())
      fail("{}: nibble.tokenizer.end_of_turn has no token {}", where, id);
    if (std::ranges::count(v.end_of_turn, int32_t(id)) == 0) v.end_of_turn.push_back(int32_t(id));
  }
  add_known_end_of_turn(v);
}

void write_end_of_turn(const Vocabulary& v, GgufMetadata& metadata) {
  if (v.end_of_turn.empty()) return;
  metadata.set("tokenizer.ggml.eot_token_id", uint32_t(v.end_of_turn.front()));
  if (v.end_of_turn.size() > 1) metadata.set("nibble.tokenizer.end_of_turn", array(v.end_of_turn));
}

}  // namespace

void fill_up(Vocabulary& v, size_t rows) {
  for (size_t id = v.tokens.size(); id < rows; ++id) v.tokens.push_back(fmt::format("[PAD{}]", id));
  v.types.resize(rows, TokenType::unused);
  if (!v.scores.empty()) v.scores.resize(rows, 0.0f);
}

bool has_vocabulary(const Checkpoint& checkpoint) {
  if (checkpoint.gguf() != nullptr) return checkpoint.gguf()->metadata().contains("tokenizer.ggml.tokens");
  return std::filesystem::exists(checkpoint.path() / "tokenizer.json") ||
         std::filesystem::exists(checkpoint.path() / "tokenizer.model");
}

void fail_without_vocabulary(const std::string& where) {
  fail(
      "{}: there is no tokenizer in it, so it takes no text: use a model that has {}; generate and logits "
      "also take token ids (--tokens)",
      where, std::filesystem::is_directory(where) ? "tokenizer.json or tokenizer.model beside it" : "one");
}

Vocabulary load_vocabulary(const Checkpoint& checkpoint) {
  const std::string where = checkpoint.path().string();
  if (checkpoint.gguf() != nullptr) return read_vocabulary(checkpoint.gguf()->metadata(), where);
  Vocabulary vocabulary = read_tokenizer_directory(where);
  const size_t rows = checkpoint.config().vocab;
  if (vocabulary.tokens.size() > rows) {
    fail(
        "{}: the tokenizer has {} tokens, but the model's embedding {} rows: these files are not of one "
        "model",
        where, vocabulary.tokens.size(), rows);
  }
  fill_up(vocabulary, rows);
  return vocabulary;
}

Vocabulary open_vocabulary(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) return read_tokenizer_directory(path.string());
  const MappedFile file(path);
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (bytes.starts_with("GGUF")) return read_vocabulary(GgufFile::open(path)->metadata(), path.string());
  const size_t text = bytes.find_first_not_of(" \t\r\n");
  if (text != std::string_view::npos && bytes[text] == '{') return read_tokenizer_json(bytes, path.string());
  return read_sentencepiece_model(bytes, path.string());
}

Vocabulary read_vocabulary(const GgufMetadata& metadata, const std::string& where) {
  Vocabulary v;
  v.kind = read_kind(metadata, where);
  const bool sentencepiece = v.kind == TokenizerKind::sentencepiece;
  const auto* tokens = metadata.get_strings("tokenizer.ggml.tokens");
  if (tokens == nullptr) fail("{} has no tokenizer.ggml.tokens; convert it again with its tokenizer", where);
  v.tokens = *tokens;
  v.types = read_types(metadata, v.tokens.size());
  v.scores = metadata.get_floats("tokenizer.ggml.scores").value_or(std::vector<float>{});
  if (const auto* merges = metadata.get_strings("tokenizer.ggml.merges")) v.merges = *merges;
  if (sentencepiece) {
    read_sentencepiece_rules(metadata, v);
  } else {
    read_pre_tokenizer(metadata, v, where);
  }
  read_added_tokens(metadata, v, where);
  v.bos = read_id(metadata, "tokenizer.ggml.bos_token_id", v.tokens.size(), where);
  v.eos = read_id(metadata, "tokenizer.ggml.eos_token_id", v.tokens.size(), where);
  v.unknown = read_id(metadata, "tokenizer.ggml.unknown_token_id", v.tokens.size(), where);
  v.padding = read_id(metadata, "tokenizer.ggml.padding_token_id", v.tokens.size(), where);
  // Where the file does not say, as llama.cpp decides.
  v.add_bos =
      metadata.get_bool("tokenizer.ggml.add_bos_token").value_or(sentencepiece || v.pre == "llama-bpe");
  v.add_eos = metadata.get_bool("tokenizer.ggml.add_eos_token").value_or(false);
  v.chat_template = metadata.get_string("tokenizer.chat_template").value_or("");
  check_vocabulary(v, where);
  read_end_of_turn(metadata, v, where);
  return v;
}

void write_vocabulary(const Vocabulary& v, GgufMetadata& metadata) {
  const bool sentencepiece = v.kind == TokenizerKind::sentencepiece;
  metadata.set("tokenizer.ggml.model", std::string(sentencepiece ? "llama" : "gpt2"));
  if (sentencepiece) {
    write_sentencepiece_rules(v, metadata);
  } else {
    write_pre_tokenizer(v, metadata);
  }
  metadata.set("tokenizer.ggml.tokens", array(v.tokens));
  std::vector<int32_t> types;
  types.reserve(v.types.size());
  for (const TokenType type : v.types) types.push_back(int32_t(type));
  metadata.set("tokenizer.ggml.token_type", array(std::move(types)));
  if (!v.scores.empty()) metadata.set("tokenizer.ggml.scores", array(v.scores));
  if (!v.merges.empty()) metadata.set("tokenizer.ggml.merges", array(v.merges));
  write_added_tokens(v, metadata);
  set_id(metadata, "tokenizer.ggml.bos_token_id", v.bos);
  set_id(metadata, "tokenizer.ggml.eos_token_id", v.eos);
  set_id(metadata, "tokenizer.ggml.unknown_token_id", v.unknown);
  set_id(metadata, "tokenizer.ggml.padding_token_id", v.padding);
  write_end_of_turn(v, metadata);
  metadata.set("tokenizer.ggml.add_bos_token", v.add_bos);
  metadata.set("tokenizer.ggml.add_eos_token", v.add_eos);
  if (!v.chat_template.empty()) metadata.set("tokenizer.chat_template", v.chat_template);
}

}  // namespace nibble
