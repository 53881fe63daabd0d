#include "quantize/rtn/families.h"
#include "quantize/rtn/lanes.h"

/// F32, F16 and BF16.
namespace nibble::NIBBLE_RTN_ISA {

namespace {

typedef uint16_t Vec16 __attribute__((vector_size(16)));

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

/// The values of any half's bits.
Vec any_half_value(VecI bits) {
  const VecI special = (bits & 0x7c00) == 0x7c00;
  const VecI extended = ((bits & 0x8000) << 16) | 0x7f800000 | ((bits & 0x03ff) << 13);
  return (Vec)select(special, extended, (VecI)half_value(bits));
}

/// `count` values of type V's elements, which are followed by zeros when they are fewer than eight. A
/// whole vector is loaded as one: the processor stalls on loads of what smaller stores just wrote.
template <class V>
V load_some(const std::byte* in, uint64_t count) {
  V v = {};
  if (count == kLanes) {
    std::memcpy(&v, in, sizeof(v));
  } else {
    std::memcpy(&v, in, count * sizeof(V) / kLanes);
  }
  return v;
}

template <DType kDType>
Vec load_value(const std::byte* in, uint64_t count) {
  if constexpr (kDType == DType::F32) return load_some<Vec>(in, count);
  const VecI bits = __builtin_convertvector(load_some<Vec16>(in, count), VecI);
  return kDType == DType::F16 ? any_half_value(bits) : (Vec)(bits << 16);
}

template <DType kDType>
bool expand(const std::byte* in, float* out, uint64_t n) {
  constexpr uint64_t kBytes = kDType == DType::F32 ? 4 : 2;
  VecI bad = splat(0);
  const auto step = [&](uint64_t j, uint64_t count) {
    const Vec v = load_value<kDType>(in + j * kBytes, count);
    bad |= ((VecI)v & 0x7f800000) == 0x7f800000;
    std::memcpy(out + j, &v, count * sizeof(float));
  };
  uint64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) step(j, kLanes);
  if (j < n) step(j, n - j);
  int32_t any = 0;
  for (int l = 0; l < kLanes; ++l) any |= bad[l];
  return any == 0;
}

}  // namespace

FloatExpander float_expander(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return expand<DType::F32>;
    case DType::F16:
      return expand<DType::F16>;
    case DType::BF16:
      return expand<DType::BF16>;
    default:
      return nullptr;
  }
}

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
