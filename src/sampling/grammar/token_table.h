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
    uint64_t below;     ///< byte_class bits of all bytes below it
  };
  std::span<const Node> nodes() const { return {nodes_.data(), nodes_.size() - 1}; }
  std::span<const int32_t> ids(size_t node) const { return ids_of(node, node + 1); }
  /// Of the node and all below it.
  std::span<const int32_t> ids_from(size_t node) const { return ids_of(node, nodes_[node].next); }
  /// Bytes that forms mostly treat alike: letters of one case, digits, other bytes than ASCII's; each sign of
  /// ASCII is a class of its own. One bit of 64.
  static uint64_t byte_class(uint8_t byte);
  const std::string& bytes(int32_t token) const { return bytes_[size_t(token)]; }
  std::span<const int32_t> ends() const { return ends_; }
  size_t size() const { return bytes_.size(); }
  size_t longest() const { return longest_; }  ///< bytes of the longest token
  bool is_end(int32_t token) const;

 private:
  std::span<const int32_t> ids_of(size_t first, size_t last) const {
    return std::span(ids_).subspan(nodes_[first].first_id, nodes_[last].first_id - nodes_[first].first_id);
  }

  std::vector<std::string> bytes_;
  std::vector<int32_t> ends_, ids_;
  std::vector<Node> nodes_;  ///< the last one closes the list
  size_t longest_ = 0;
};

}  // namespace nibble
