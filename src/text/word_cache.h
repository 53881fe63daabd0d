#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace nibble {

/// The ids of words met before, within one call: most of a text's words are repetitions. Direct-mapped;
/// an entry is one cache line, longer words are not kept.
class WordCache {
 public:
  /// No cache for short texts, where filling it costs more than it gives.
  explicit WordCache(size_t text_bytes);

  /// Appends the word's ids, from here or from compute(ids), which appends them.
  template <typename Compute>
  void append(std::string_view word, std::vector<int32_t>& ids, Compute compute) {
    if (word.size() > kMaxBytes || entries_.empty()) return compute(ids);
    Entry& entry = entry_of(word);
    if (entry.holds(word)) {
      ids.insert(ids.end(), entry.ids, entry.ids + entry.count);
      return;
    }
    const size_t before = ids.size();
    compute(ids);
    if (ids.size() - before <= kMaxIds) entry.set(word, std::span(ids).subspan(before));
  }

 private:
  static constexpr size_t kMaxBytes = 30, kMaxIds = 8;

  struct alignas(64) Entry {
    uint8_t size = 0, count = 0;
    char word[kMaxBytes];
    int32_t ids[kMaxIds];

    bool holds(std::string_view other) const {
      return size == other.size() && other == std::string_view(word, size);
    }
    void set(std::string_view other, std::span<const int32_t> other_ids);
  };
  Entry& entry_of(std::string_view word);

  std::vector<Entry> entries_;  // [power of two] or empty
};

}  // namespace nibble
