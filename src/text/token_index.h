#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

/// Finds token ids by text. Keeps a reference to the texts, which must stay as they are.
class TokenIndex {
 public:
  explicit TokenIndex(const std::vector<std::string>& texts);
  /// Of several ids with one text the first added is found.
  void add(int32_t id);
  /// -1 where there is none.
  int32_t find(std::string_view text) const;

 private:
  struct Slot {
    uint32_t hash = 0;
    int32_t id = -1;
  };
  const std::vector<std::string>& texts_;
  std::vector<Slot> slots_;  // [power of two], open addressing
};

}  // namespace nibble
