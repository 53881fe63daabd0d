#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace nibble {

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

}  // namespace nibble
