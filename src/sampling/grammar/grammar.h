#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sampling/grammar/token_table.h"

namespace nibble {

class Automaton;
class ConfigurationPool;
struct Configuration;

/// What an answer must look like, as a pushdown automaton over bytes. Immutable for its users and shared by
/// any number of answers, on any threads; inside it remembers which tokens its states allow. Each maker
/// throws Error that names what is wrong or not supported.
class Grammar {
 public:
  /// The whole answer matches the expression (docs/decoding.md lists the syntax).
  static std::shared_ptr<const Grammar> from_regex(std::string_view regex,
                                                   std::shared_ptr<const TokenTable> tokens);
  /// A JSON text that the schema accepts (docs/decoding.md lists the keywords).
  static std::shared_ptr<const Grammar> from_json_schema(std::string_view schema,
                                                         std::shared_ptr<const TokenTable> tokens);
  /// Any JSON object.
  static std::shared_ptr<const Grammar> json_object(std::shared_ptr<const TokenTable> tokens);
  ~Grammar();

  const TokenTable& tokens() const { return *tokens_; }

 private:
  friend class GrammarState;
  struct Cache;
  Grammar(std::shared_ptr<const TokenTable> tokens, std::shared_ptr<const Automaton> automaton);

  std::shared_ptr<const TokenTable> tokens_;
  std::unique_ptr<Cache> cache_;
};

/// How far one answer has come in its grammar. Copies are cheap: for beams, and for drafts that may be
/// taken back.
class GrammarState {
 public:
  explicit GrammarState(std::shared_ptr<const Grammar> grammar);

  /// The tokens that may come next, as apply_mask takes them; valid while this state is, up to the next
  /// accept.
  std::span<const uint64_t> allowed();
  /// Goes on by a token; false, and unchanged, when it may not come next. After an end token nothing may.
  bool accept(int32_t token);
  /// True when the text is complete here; more may still be allowed.
  bool may_end() const;
  bool ended() const { return ended_; }  ///< an end token was accepted

 private:
  void refresh();

  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<ConfigurationPool> pool_;
  const Configuration* here_ = nullptr;
  std::shared_ptr<const std::vector<uint64_t>> mask_;
  bool ended_ = false;
};

}  // namespace nibble
