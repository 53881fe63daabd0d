#include "quantize/rtn/families.h"
#include "quantize/rtn/lanes.h"

/// F32, F16 and BF16.
namespace nibble::NIBBLE_RTN_ISA {

namespace {

void copy_f32(const float* x, std::byte* out, uint64_t cols, const float*) {
  std::memcpy(out, x, cols * sizeof(float));
}

/// The bits of the nearest bfloat16, ties to even; finite values stay finite.
VecI bfloat16_bits(Vec v) {
  const VecI bits = (VecI)clamp(v, -0x1.fep127f, 0x1.fep127f);
  return ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) & 0xffff;
}

template <VecI (*kConvert)(Vec)>
void convert(const float* x, std::byte* out, uint64_t cols, const float*) {
  typedef uint16_t Vec16 __attribute__((vector_size(16)));
  const auto store = [&](uint64_t j, Vec v, uint64_t count) {
    const Vec16 narrow = __builtin_convertvector(kConvert(v), Vec16);
    std::memcpy(out + 2 * j, &narrow, 2 * count);
  };
  uint64_t j = 0;
  for (; j + kLanes <= cols; j += kLanes) store(j, load(x + j), kLanes);
  if (j == cols) return;
  float rest[kLanes] = {};
  std::memcpy(rest, x + j, (cols - j) * sizeof(float));
  store(j, load(rest), cols - j);
}

}  // namespace

RowQuantizer float_quantizer(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return copy_f32;
    case DType::F16:
      return convert<half_bits>;
    case DType::BF16:
      return convert<bfloat16_bits>;
    default:
      return nullptr;
  }
}

}  // namespace nibble::NIBBLE_RTN_ISA
