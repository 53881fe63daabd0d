#include "text/token_index.h"

#include <bit>

#include "text/hash.h"

namespace nibble {

TokenIndex::TokenIndex(const std::vector<std::string>& texts)
    : texts_(texts), slots_(std::bit_ceil(texts.size() * 2 + 2)) {}

void TokenIndex::add(int32_t id) {
  const std::string& text = texts_[size_t(id)];
  const auto hash = uint32_t(hash_bytes(text));
  size_t at = hash & (slots_.size() - 1);
  while (slots_[at].id >= 0) {
    if (slots_[at].hash == hash && texts_[size_t(slots_[at].id)] == text) return;
    at = (at + 1) & (slots_.size() - 1);
  }
  slots_[at] = {hash, id};
}

int32_t TokenIndex::find(std::string_view text) const {
  const auto hash = uint32_t(hash_bytes(text));
  size_t at = hash & (slots_.size() - 1);
  while (slots_[at].id >= 0) {
    if (slots_[at].hash == hash && texts_[size_t(slots_[at].id)] == text) return slots_[at].id;
    at = (at + 1) & (slots_.size() - 1);
  }
  return -1;
}

}  // namespace nibble
