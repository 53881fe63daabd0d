#pragma once

#include <algorithm>
#include <cstdint>

#include "base/error.h"

/// Templates come inside model files, so they are not trusted: what one rendering may take is bounded.
/// Real templates stay far below every limit.
namespace nibble::jinja {

constexpr int kMaxSyntaxDepth = 150;  ///< nested parentheses, blocks and chained operators
constexpr int kMaxTreeDepth = 500;    ///< depth of the syntax tree, which chains such as a.b.c also deepen
constexpr int kMaxCallDepth = 600;    ///< nested evaluations while rendering, mostly recursion of macros
constexpr int kMaxValueDepth = 200;   ///< lists in lists in lists
/// Expressions and statements evaluated: kBaseSteps, and kStepsPerContextByte for each byte of the
/// conversation.
constexpr uint64_t kBaseSteps = 2'000'000, kStepsPerContextByte = 8;
/// Bytes of strings and lists made over the whole rendering: kBaseBytes and kBytesPerContextByte for each
/// byte of the conversation, at most kMaxBytes.
constexpr uint64_t kBaseBytes = 64ull << 20, kBytesPerContextByte = 256, kMaxBytes = 1ull << 30;
constexpr uint64_t kElementBytes = 32;  ///< what an element of a list or dict counts
constexpr int64_t kMaxRange = 100000;   ///< elements of range(), as jinja2's sandbox has it

/// Counts what a rendering has used. Everything that allocates or loops in proportion to a template's
/// numbers charges before it does so.
class Budget {
 public:
  explicit Budget(uint64_t context_bytes)
      : max_steps_(kBaseSteps + std::min(context_bytes, kMaxBytes) * kStepsPerContextByte),
        steps_(max_steps_),
        bytes_(std::min(kBaseBytes + std::min(context_bytes, kMaxBytes) * kBytesPerContextByte, kMaxBytes)) {}

  void step() {
    if (steps_-- == 0) fail("the template does not end: it took more than {} steps", max_steps_);
  }
  void charge(uint64_t bytes) {
    if (bytes > bytes_) fail("the template builds too much text or too long lists");
    bytes_ -= bytes;
  }
  /// Charges count * size, which may overflow.
  void charge_product(uint64_t count, uint64_t size) {
    uint64_t total = 0;
    charge(__builtin_mul_overflow(count, size, &total) ? UINT64_MAX : total);
  }
  void charge_elements(uint64_t count) { charge_product(count, kElementBytes); }

 private:
  uint64_t max_steps_, steps_, bytes_;
};

}  // namespace nibble::jinja
