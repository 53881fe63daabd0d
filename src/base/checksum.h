#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace nibble {

inline constexpr uint64_t kFnv1aBasis = 0xcbf29ce484222325u;

/// FNV-1a of 64 bits (draft-eastlake-fnv); `hash` carries on from the bytes before. Finds damage, not
/// forgery.
inline uint64_t fnv1a(std::span<const std::byte> bytes, uint64_t hash = kFnv1aBasis) {
  for (const std::byte byte : bytes) hash = (hash ^ uint64_t(byte)) * 0x100000001b3u;
  return hash;
}

}  // namespace nibble
