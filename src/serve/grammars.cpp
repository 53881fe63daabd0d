#include "serve/grammars.h"

#include <algorithm>

namespace nibble {

namespace {

constexpr size_t kKeptGrammars = 32;

}  // namespace

std::shared_ptr<const Grammar> Grammars::regex(const std::string& expression) {
  return find_or_make("regex " + expression,
                      [&] { return Grammar::from_regex(expression, engine_.token_table()); });
}

std::shared_ptr<const Grammar> Grammars::schema(const std::string& json) {
  return find_or_make("schema " + json,
                      [&] { return Grammar::from_json_schema(json, engine_.token_table()); });
}

std::shared_ptr<const Grammar> Grammars::any_object() {
  return find_or_make("object", [&] { return Grammar::json_object(engine_.token_table()); });
}

template <typename Make>
std::shared_ptr<const Grammar> Grammars::find_or_make(const std::string& key, Make make) {
  const std::lock_guard lock(mutex_);
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
