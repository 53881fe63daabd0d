#include "sampling/lookup_draft.h"

#include <algorithm>

namespace nibble {

LookupDraft lookup_draft(std::span<const int32_t> history, size_t most, size_t least_match,
                         size_t longest_match) {
  const size_t n = history.size();
  size_t best_length = std::max<size_t>(least_match, 1) - 1, best_end = 0;
  for (size_t end = n; end-- > 1 && best_length < longest_match;) {
    // The match ends before `end`: its last token is history[end - 1].
    if (history[end - 1] != history[n - 1]) continue;
    const size_t limit = std::min(longest_match, end);
    size_t length = 1;
    while (length < limit && history[end - 1 - length] == history[n - 1 - length]) ++length;
    if (length > best_length) {
      best_length = length;
      best_end = end;
    }
  }
  if (best_end == 0) return {};
  return {history.subspan(best_end, std::min(most, n - best_end)), best_length};
}

}  // namespace nibble
