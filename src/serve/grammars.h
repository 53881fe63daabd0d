#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "engine/engine.h"
#include "sampling/grammar/grammar.h"

namespace nibble {

/// The grammars that requests ask of one model. The last ones are kept: clients ask for the same again and
/// again, and a grammar remembers which tokens its states allow. Safe to call from several threads.
class Grammars {
 public:
  explicit Grammars(const Engine& engine) : engine_(engine) {}

  /// Each throws Error that says what of the expression or the schema can't be used.
  std::shared_ptr<const Grammar> regex(const std::string& expression);
  std::shared_ptr<const Grammar> schema(const std::string& json);
  std::shared_ptr<const Grammar> any_object();

 private:
  template <typename Make>
  std::shared_ptr<const Grammar> find_or_make(const std::string& key, Make make);

  const Engine& engine_;
  std::mutex mutex_;
  std::shared_ptr<const TokenTable> tokens_;                                ///< made when first needed
  std::list<std::pair<std::string, std::shared_ptr<const Grammar>>> kept_;  ///< the last used one first
};

}  // namespace nibble
