#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

namespace nibble {

/// How many tokens two sequences begin with alike.
inline size_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  return size_t(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

}  // namespace nibble
