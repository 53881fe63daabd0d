#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/pre_tokenizer.h"
#include "text/vocabulary.h"

namespace nibble {

namespace {

using Json = nlohmann::json;

constexpr size_t kMostHoles = 10000;

/// The member, or null where the object lacks it.
const Json& member(const Json& object, const char* key) {
  static const Json null;
  const auto it = object.find(key);
  return it == object.end() ? null : *it;
}

/// The steps of a normalizer, pre-tokenizer or post-processor: a Sequence is flattened.
std::vector<const Json*> steps_of(const Json& stage, const char* members) {
  if (stage.is_null()) return {};
  if (stage.at("type") != "Sequence") return {&stage};
  std::vector<const Json*> steps;
  for (const Json& step : stage.at(members)) {
    for (const Json* nested : steps_of(step, members)) steps.push_back(nested);
  }
  return steps;
}

bool has_step(const std::vector<const Json*>& steps, const char* type) {
  return std::ranges::any_of(steps, [type](const Json* step) { return step->at("type") == type; });
}

std::string escape_regex(std::string_view text) {
  std::string regex;
  for (const char c : text) {
    if (std::string_view(R"(\^$.|?*+()[]{})").find(c) != std::string_view::npos) regex += '\\';
    regex += c;
  }
  return regex;
}

class TokenizerJsonReader {
 public:
  TokenizerJsonReader(const Json& root, const std::string& where) : root_(root), where_(where) {}

  Vocabulary read() {
    const Json& model = root_.at("model");
    const std::string type = model.value("type", "BPE");
    if (type != "BPE") fail("{}: a tokenizer of type {}; nibble reads BPE", where_, type);
    const auto pre = steps_of(member(root_, "pre_tokenizer"), "pretokenizers");
    const bool byte_level = has_step(pre, "ByteLevel");
    // Ids need not be dense, but holes are few: a lying id must not make memory grow.
    most_ids_ = 2 * (model.at("vocab").size() + member(root_, "added_tokens").size()) + kMostHoles;
    vocabulary_.kind = byte_level ? TokenizerKind::byte_level_bpe : TokenizerKind::sentencepiece;
    read_vocab(model);
    read_added_tokens();
    fill_holes();
    read_model_options(model);
    read_merges(member(model, "merges"));
    const auto normalizer = steps_of(member(root_, "normalizer"), "normalizers");
    if (byte_level) {
      read_byte_level(normalizer, pre);
    } else {
      read_sentencepiece(normalizer, pre);
    }
    for (const Json* step : steps_of(member(root_, "post_processor"), "processors"))
      read_post_processor(*step);
    check_vocabulary(vocabulary_, where_);
    return std::move(vocabulary_);
  }

 private:
  void set_token(const Json& id, const std::string& text, TokenType type) {
    const auto index = id.get<int64_t>();
    if (index < 0 || size_t(index) >= most_ids_)
      fail("{}: token \"{}\" has the impossible id {}", where_, text, index);
    if (size_t(index) >= vocabulary_.tokens.size()) {
      vocabulary_.tokens.resize(size_t(index) + 1);
      vocabulary_.types.resize(size_t(index) + 1, TokenType::undefined);
    }
    vocabulary_.tokens[size_t(index)] = text;
    vocabulary_.types[size_t(index)] = type;
  }

  void read_vocab(const Json& model) {
    const bool byte_fallback = model.value("byte_fallback", false);
    for (const auto& [text, id] : model.at("vocab").items()) {
      const bool is_byte = byte_fallback && text.size() == 6 && text.starts_with("<0x");
      set_token(id, text, is_byte ? TokenType::byte : TokenType::normal);
    }
  }

  void read_added_tokens() {
    const Json& added = member(root_, "added_tokens");
    if (added.is_null()) return;
    for (const Json& token : added) {
      AddedToken flags;
      flags.special = token.value("special", false);
      flags.normalized = token.value("normalized", !flags.special);
      flags.lstrip = token.value("lstrip", false);
      flags.rstrip = token.value("rstrip", false);
      flags.single_word = token.value("single_word", false);
      set_token(token.at("id"), token.at("content"),
                flags.special ? TokenType::control : TokenType::user_defined);
      flags.id = token.at("id").get<int32_t>();
      vocabulary_.added.push_back(flags);
    }
  }

  void fill_holes() {
    for (size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      if (vocabulary_.types[id] != TokenType::undefined) continue;
      vocabulary_.tokens[id] = fmt::format("[PAD{}]", id);
      vocabulary_.types[id] = TokenType::unused;
    }
  }

  void read_model_options(const Json& model) {
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      const Json& value = member(model, key);
      if (!value.is_null() && value != Json("")) fail("{}: the BPE option {} is not supported", where_, key);
    }
    vocabulary_.ignore_merges = model.value("ignore_merges", false);
    vocabulary_.fuse_unknown = model.value("fuse_unk", false);
    const Json& unknown = member(model, "unk_token");
    if (vocabulary_.kind == TokenizerKind::byte_level_bpe || unknown.is_null()) return;
    const auto it = std::ranges::find(vocabulary_.tokens, unknown.get<std::string>());
    if (it == vocabulary_.tokens.end())
      fail("{}: the vocabulary lacks its unk_token {}", where_, unknown.dump());
    vocabulary_.unknown = int32_t(it - vocabulary_.tokens.begin());
    vocabulary_.types[size_t(*vocabulary_.unknown)] = TokenType::unknown;
  }

  void read_merges(const Json& merges) {
    if (merges.is_null()) return;
    vocabulary_.merges.reserve(merges.size());
    for (const Json& merge : merges) {
      if (merge.is_string()) {
        vocabulary_.merges.push_back(merge.get<std::string>());
      } else {
        vocabulary_.merges.push_back(merge.at(0).get<std::string>() + " " + merge.at(1).get<std::string>());
      }
    }
  }

  void read_byte_level(const std::vector<const Json*>& normalizer, const std::vector<const Json*>& pre) {
    vocabulary_.add_space_prefix = false;
    for (const Json* step : normalizer) {
      if (step->at("type") != "NFC") refuse("normalizer", *step);
      vocabulary_.nfc = true;
    }
    for (const Json* step : pre) read_split(*step);
    const auto* named = find_pre_tokenizer(vocabulary_.splits, vocabulary_.ignore_merges, vocabulary_.nfc);
    if (named == nullptr) return;
    vocabulary_.pre = named->name;
    vocabulary_.splits.clear();
  }

  void read_split(const Json& step) {
    const std::string type = step.at("type");
    if (type == "ByteLevel") {
      if (step.value("add_prefix_space", true))
        fail("{}: ByteLevel with add_prefix_space is not supported", where_);
      if (step.value("use_regex", true)) vocabulary_.splits.push_back({kGpt2Regex});
    } else if (type == "Digits") {
      vocabulary_.splits.push_back({step.value("individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)"});
    } else if (type == "Split") {
      const Json& pattern = step.at("pattern");
      const std::string regex = pattern.contains("Regex")
                                    ? pattern.at("Regex").get<std::string>()
                                    : escape_regex(pattern.at("String").get<std::string>());
      const std::string behavior = step.at("behavior");
      const bool matches_only = behavior == "Removed" && step.value("invert", false);
      if (behavior != "Isolated" && !matches_only) {
        fail("{}: the pre-tokenizer Split with behavior {} is not supported", where_, behavior);
      }
      vocabulary_.splits.push_back({regex, !matches_only});
    } else {
      refuse("pre-tokenizer", step);
    }
  }

  void read_sentencepiece(const std::vector<const Json*>& normalizer, const std::vector<const Json*>& pre) {
    if (vocabulary_.ignore_merges) fail("{}: ignore_merges without ByteLevel is not supported", where_);
    vocabulary_.add_space_prefix = false;
    bool spaces_replaced = false;
    for (const Json* step : normalizer) {
      if (step->at("type") == "Prepend" && step->at("prepend") == kSpaceSymbol) {
        vocabulary_.add_space_prefix = true;
      } else if (is_space_replacement(*step)) {
        spaces_replaced = true;
      } else {
        refuse("normalizer", *step);
      }
    }
    for (const Json* step : pre) {
      const bool finds_nothing =
          spaces_replaced && step->at("type") == "Split" && member(step->at("pattern"), "String") == " ";
      if (step->at("type") == "Metaspace") {
        read_metaspace(*step);
        spaces_replaced = true;
      } else if (!finds_nothing) {
        refuse("pre-tokenizer", *step);
      }
    }
    if (!spaces_replaced)
      fail("{}: a BPE tokenizer without ByteLevel that does not write spaces as U+2581", where_);
    score_by_merges();
  }

  /// For GGUF, which goes by scores: what merges first scores highest, what never does lowest.
  void score_by_merges() {
    const auto lowest = -float(vocabulary_.merges.size()) - 1;
    vocabulary_.scores.assign(vocabulary_.tokens.size(), lowest);
    std::map<std::string, size_t> ids;
    for (size_t id = 0; id < vocabulary_.tokens.size(); ++id) ids.emplace(vocabulary_.tokens[id], id);
    float score = 0;
    for (const std::string& merge : vocabulary_.merges) {
      std::string merged = merge;
      if (const size_t space = merged.find(' ', 1); space != std::string::npos) merged.erase(space, 1);
      const auto it = ids.find(merged);
      if (it != ids.end() && vocabulary_.scores[it->second] == lowest)
        vocabulary_.scores[it->second] = (score -= 1);
    }
  }

  static bool is_space_replacement(const Json& step) {
    return step.at("type") == "Replace" && member(step.at("pattern"), "String") == " " &&
           step.at("content") == kSpaceSymbol;
  }

  void read_metaspace(const Json& step) {
    if (step.value("replacement", std::string(kSpaceSymbol)) != kSpaceSymbol) refuse("pre-tokenizer", step);
    const std::string scheme =
        step.value("prepend_scheme", step.value("add_prefix_space", true) ? "always" : "never");
    vocabulary_.metaspace = true;
    vocabulary_.add_space_prefix = scheme != "never";
    vocabulary_.prefix_first_only = scheme == "first";
    vocabulary_.split_on_spaces = step.value("split", true);
  }

  void read_post_processor(const Json& step) {
    const std::string type = step.at("type");
    if (type == "ByteLevel") return;
    if (type != "TemplateProcessing") refuse("post-processor", step);
    std::vector<int32_t> before, after;
    bool seen_text = false;
    for (const Json& item : step.at("single")) {
      if (item.contains("Sequence")) {
        seen_text = true;
        continue;
      }
      const std::string name = item.at("SpecialToken").at("id");
      for (const Json& id : step.at("special_tokens").at(name).at("ids"))
        (seen_text ? after : before).push_back(id);
    }
    if (before.size() > 1 || after.size() > 1) {
      fail("{}: a template that puts several tokens before or after the text is not supported", where_);
    }
    if (!before.empty()) vocabulary_.bos = before[0];
    if (!after.empty()) vocabulary_.eos = after[0];
    vocabulary_.add_bos = !before.empty();
    vocabulary_.add_eos = !after.empty();
  }

  [[noreturn]] void refuse(const char* what, const Json& step) const {
    fail("{}: the {} {} is not supported", where_, what, step.at("type").get<std::string>());
  }

  const Json& root_;
  size_t most_ids_ = 0;
  const std::string& where_;
  Vocabulary vocabulary_;
};

}  // namespace

Vocabulary read_tokenizer_json(std::string_view json, const std::string& where) {
  try {
    const Json root = Json::parse(json);
    return TokenizerJsonReader(root, where).read();
  } catch (const Json::exception& error) {
    fail("{}: not a tokenizer.json: {}", where, error.what());
  }
}

}  // namespace nibble
