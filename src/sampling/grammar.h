#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

class ConfigurationPool;
struct Configuration;

/// The tokens of a vocabulary as a grammar sees them, shared by all grammars of a model.
class TokenTable {
 public:
  /// `bytes` of each token, empty where it stands for no text, as control tokens do; `ends`: the tokens that
  /// end an answer, allowed where the text may end.
  TokenTable(std::vector<std::string> bytes, std::vector<int32_t> ends);

  /// A node of the tree of all tokens' bytes, in depth-first order.
  struct Node {
    uint8_t byte;
    uint16_t depth;     ///< 0: the first byte of a token
    uint32_t next;      ///< the first node behind this one's children
    uint32_t first_id;  ///< into ids(); up to the next node's
  };
  std::span<const Node> nodes() const { return {nodes_.data(), nodes_.size() - 1}; }
  std::span<const int32_t> ids(size_t node) const {
    return std::span(ids_).subspan(nodes_[node].first_id, nodes_[node + 1].first_id - nodes_[node].first_id);
  }
  const std::string& bytes(int32_t token) const { return bytes_[size_t(token)]; }
  std::span<const int32_t> ends() const { return ends_; }
  size_t size() const { return bytes_.size(); }
  size_t longest() const { return longest_; }  ///< bytes of the longest token
  bool is_end(int32_t token) const;

 private:
  std::vector<std::string> bytes_;
  std::vector<int32_t> ends_, ids_;
  std::vector<Node> nodes_;  ///< the last one closes the list
  size_t longest_ = 0;
};

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
  explicit Grammar(std::shared_ptr<const TokenTable> tokens);

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
