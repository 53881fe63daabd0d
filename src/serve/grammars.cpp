#include "serve/grammars.h"

#include <algorithm>

namespace nibble {

namespace {

constexpr size_t kKeptGrammars = 32;

std::shared_ptr<const TokenTable> make_token_table(const Engine& engine) {
  const Tokenizer& tokenizer = engine.tokenizer();
  std::vector<std::string> bytes(engine.model().config().vocab);
  std::vector<int32_t> ends;
  // A model's matrix may have more rows than there are tokens.
  for (size_t id = 0; id < std::min(bytes.size(), tokenizer.size()); ++id) {
    bytes[id] = tokenizer.piece(int32_t(id));
    if (tokenizer.ends_answer(int32_t(id))) ends.push_back(int32_t(id));
  }
  return std::make_shared<const TokenTable>(std::move(bytes), std::move(ends));
}

}  // namespace

std::shared_ptr<const Grammar> Grammars::regex(const std::string& expression) {
  return find_or_make("regex " + expression, [&] { return Grammar::from_regex(expression, tokens_); });
}

std::shared_ptr<const Grammar> Grammars::schema(const std::string& json) {
  return find_or_make("schema " + json, [&] { return Grammar::from_json_schema(json, tokens_); });
}

std::shared_ptr<const Grammar> Grammars::any_object() {
  return find_or_make("object", [&] { return Grammar::json_object(tokens_); });
}

template <typename Make>
std::shared_ptr<const Grammar> Grammars::find_or_make(const std::string& key, Make make) {
  const std::lock_guard lock(mutex_);
  if (!tokens_) tokens_ = make_token_table(engine_);
  const auto found =
      std::find_if(kept_.begin(), kept_.end(), [&](const auto& entry) { return entry.first == key; });
  if (found != kept_.end()) {
    kept_.splice(kept_.begin(), kept_, found);
  } else {
    kept_.emplace_front(key, make());
    if (kept_.size() > kKeptGrammars) kept_.pop_back();
  }
  return kept_.front().second;
}

}  // namespace nibble
