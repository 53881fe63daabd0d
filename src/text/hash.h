#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace nibble {

/// Mixes 64 bits into 64 by the two halves of a 128-bit product.
inline uint64_t mix_bits(uint64_t value) {
  const auto product = static_cast<unsigned __int128>(value ^ 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;
  return uint64_t(product) ^ uint64_t(product >> 64);
}

/// A hash for short strings; not for use against adversaries across runs, only for tables that compare.
inline uint64_t hash_bytes(std::string_view text) {
  uint64_t hash = text.size();
  const char* at = text.data();
  size_t left = text.size();
  for (; left > 8; at += 8, left -= 8) {
    uint64_t part;
    std::memcpy(&part, at, 8);
    hash = mix_bits(hash ^ part);
  }
  uint64_t part = 0;
  std::memcpy(&part, at, left);
  return mix_bits(hash ^ part);
}

}  // namespace nibble
