#include "sampling/grammar/token_table.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/error.h"

namespace nibble {

TokenTable::TokenTable(std::vector<std::string> bytes, std::vector<int32_t> ends)
    : bytes_(std::move(bytes)), ends_(std::move(ends)) {
  for (const int32_t end : ends_) {
    if (end < 0 || size_t(end) >= bytes_.size()) fail("the end token {} is not in the vocabulary", end);
  }
  for (size_t id = 0; id < bytes_.size(); ++id) {
    // A token that ends the answer is no text, and one too long for a node is not worth the room.
    if (is_end(int32_t(id)) || bytes_[id].size() > std::numeric_limits<uint16_t>::max()) bytes_[id].clear();
    if (!bytes_[id].empty()) ids_.push_back(int32_t(id));
    longest_ = std::max(longest_, bytes_[id].size());
  }
  std::ranges::sort(ids_, [&](int32_t a, int32_t b) {
    const int order = bytes_[size_t(a)].compare(bytes_[size_t(b)]);
    return order != 0 ? order < 0 : a < b;
  });
  std::vector<size_t> open;  // the nodes from the root to the token before
  std::string_view before;
  const auto close = [&](size_t depth) {
    for (; open.size() > depth; open.pop_back()) {
      Node& node = nodes_[open.back()];
      node.next = uint32_t(nodes_.size());
      if (open.size() > 1) nodes_[open[open.size() - 2]].below |= node.below | byte_class(node.byte);
    }
  };
  for (size_t i = 0; i < ids_.size(); ++i) {
    const std::string& token = bytes_[size_t(ids_[i])];
    if (token == before) continue;
    const size_t shared = size_t(std::ranges::mismatch(before, token).in1 - before.begin());
    close(shared);
    for (size_t depth = shared; depth < token.size(); ++depth) {
      open.push_back(nodes_.size());
      // Nodes in between have no tokens: their range is empty, up to this token's node.
      nodes_.push_back({uint8_t(token[depth]), uint16_t(depth), 0, uint32_t(i), 0});
    }
    before = token;
  }
  close(0);
  nodes_.push_back({0, 0, uint32_t(nodes_.size()) + 1, uint32_t(ids_.size()), 0});
}

uint64_t TokenTable::byte_class(uint8_t byte) {
  const auto bit = [](int number) { return uint64_t(1) << number; };
  if (byte >= 'a' && byte <= 'z') return bit(0);
  if (byte >= 'A' && byte <= 'Z') return bit(1);
  if (byte >= '0' && byte <= '9') return bit(2);
  if (byte >= 0x80) return bit(3);
  if (byte < ' ' || byte == 0x7f) return bit(4);
  // The 33 signs from the space on, without the letters and digits between them.
  int sign = byte - ' ';
  if (byte > '9') sign -= 10;
  if (byte > 'Z') sign -= 26;
  if (byte > 'z') sign -= 26;
  return bit(5 + sign);
}

bool TokenTable::is_end(int32_t token) const {
  return std::ranges::count(ends_, token) > 0;
}

}  // namespace nibble
