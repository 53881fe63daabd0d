#include "kernels/synthetic_weights.h"

#include <cstddef>
#include <cstring>
#include <random>

#include "base/error.h"
#include "base/half.h"
#include "tensor/blocks.h"

namespace nibble {

namespace {

using Random = std::mt19937_64;

float scale_near(float middle, Random& random) {
  return middle * std::uniform_real_distribution<float>(0.5f, 1.5f)(random);
}

/// Overwrites the half at `offset` of every block.
void set_halves(std::vector<std::byte>& bytes, size_t block_bytes, size_t offset, float middle,
                Random& random) {
  for (size_t at = offset; at < bytes.size(); at += block_bytes) {
    const half value = float_to_half(scale_near(middle, random));
    std::memcpy(bytes.data() + at, &value, sizeof(value));
  }
}

void set_float(std::byte* at, float value) {
  std::memcpy(at, &value, sizeof(value));
}

template <typename Element, typename Convert>
void fill_normal(std::vector<std::byte>& bytes, Convert convert, Random& random) {
  std::normal_distribution<float> normal;
  for (size_t at = 0; at < bytes.size(); at += sizeof(Element)) {
    const Element value = convert(normal(random));
    std::memcpy(bytes.data() + at, &value, sizeof(value));
  }
}

void set_plane_scales(const TensorView& view, std::vector<std::byte>& bytes, Random& random) {
  const uint64_t blocks = view.elements() / 64, head = (view.elements() / 2 + blocks + 3) / 4 * 4;
  for (size_t at = head; at + 4 < bytes.size(); at += 4)
    set_float(bytes.data() + at, scale_near(0.2f, random));
  set_float(bytes.data() + bytes.size() - 4, 1.0f);
}

void set_scales(SyntheticWeights& w, Random& random) {
  const size_t block = dtype_info(w.view.dtype).block_bytes;
  const auto halves = [&](size_t offset, float middle) {
    set_halves(w.bytes, block, offset, middle, random);
  };
  switch (w.view.dtype) {
    case DType::F32:
      return fill_normal<float>(
          w.bytes, [](float v) { return v; }, random);
    case DType::F16:
      return fill_normal<half>(w.bytes, float_to_half, random);
    case DType::BF16:
      return fill_normal<bfloat16>(w.bytes, float_to_bfloat16, random);
    case DType::Q8_0:
    case DType::Q8_S50:
      return halves(0, 0.02f);
    case DType::Q4_0:
    case DType::Q4_S50:
    case DType::IQ4_NL:
    case DType::INT4_G64:
    case DType::INT4_G128:
    case DType::Q5_0:
      return halves(0, 0.1f);
    case DType::Q4_1:
    case DType::Q5_1:
    case DType::UINT4_G64:
    case DType::UINT4_G128:
      return halves(0, 0.1f), halves(2, -0.8f);
    case DType::Q2_K:
      return halves(offsetof(BlockQ2_K, d), 0.05f), halves(offsetof(BlockQ2_K, dmin), 0.05f);
    case DType::Q3_K:
      return halves(offsetof(BlockQ3_K, d), 0.02f);
    case DType::Q4_K:
    case DType::Q5_K:
      return halves(0, 0.005f), halves(2, 0.02f);
    case DType::Q6_K:
      return halves(offsetof(BlockQ6_K, d), 0.0005f);
    case DType::IQ4_XS:
      return halves(0, 0.001f);
    case DType::MXFP4:
      for (size_t at = 0; at < w.bytes.size(); at += block) w.bytes[at] = std::byte(120 + random() % 8);
      return;
    case DType::NF4:
    case DType::FP4:
      for (size_t at = 0; at < w.bytes.size(); at += block) set_float(&w.bytes[at], scale_near(1.0f, random));
      return;
    case DType::INT8:
      for (size_t at = 0; at < w.bytes.size(); at += row_bytes(DType::INT8, w.view.cols())) {
        set_float(&w.bytes[at], scale_near(0.02f, random));
      }
      return;
    case DType::NF4_DQ:
    case DType::FP4_DQ:
      return set_plane_scales(w.view, w.bytes, random);
  }
}

}  // namespace

SyntheticWeights synthetic_weights(DType dtype, uint64_t rows, uint64_t cols, uint64_t seed) {
  const auto size = tensor_bytes(dtype, rows, cols);
  if (!size) fail("{} has no rows of {} columns", dtype_name(dtype), cols);
  Random random(seed);
  SyntheticWeights w{std::vector<std::byte>((*size + 7) / 8 * 8), {"synthetic", dtype, {rows, cols}, {}}};
  for (size_t at = 0; at < w.bytes.size(); at += 8) {
    const uint64_t bits = random();
    std::memcpy(w.bytes.data() + at, &bits, sizeof(bits));
  }
  w.bytes.resize(*size);
  set_scales(w, random);
  w.view.data = w.bytes;
  return w;
}

}  // namespace nibble
