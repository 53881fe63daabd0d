#include "quantize/finite.h"

#include "base/error.h"
#include "quantize/rtn/table.h"

namespace nibble {

bool all_finite(const float* x, uint64_t n) {
  constexpr uint64_t kChunk = 1024;
  float copy[kChunk];
  const auto* bytes = reinterpret_cast<const std::byte*>(x);
  for (uint64_t j = 0; j < n; j += kChunk) {
    if (!expand_finite(DType::F32, bytes + j * sizeof(float), copy, n - j < kChunk ? n - j : kChunk))
      return false;
  }
  return true;
}

bool expand_finite(DType dtype, const std::byte* in, float* out, uint64_t n) {
  const FloatExpander expand = rtn_table().float_expander(dtype);
  if (expand == nullptr) fail("{} is not a floating-point type", dtype_name(dtype));
  return expand(in, out, n);
}

void fail_not_finite_input(const std::string& matrix, size_t channel) {
  fail("{}: the calibration gave inputs that are not finite (channel {}); the model's weights are damaged",
       matrix, channel);
}

}  // namespace nibble
