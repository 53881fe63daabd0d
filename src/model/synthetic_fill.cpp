#include "model/synthetic_fill.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>

#include "base/error.h"
#include "tensor/blocks.h"
#include "tensor/dequantize.h"

namespace nibble {

namespace {

/// Large enough that threads share work evenly, small enough that pieces stay in the caches.
constexpr uint64_t kPieceBytes = 1u << 20;
constexpr size_t kNormals = 65536, kScales = 256;

/// Where a block's scale and minimum stand. The minimum is the scale times `minimum`, so that uniform
/// codes give a mean of zero.
struct ScaleFields {
  DType dtype;
  size_t scale;
  std::optional<size_t> minimum_at;
  float minimum = 0;
};
constexpr std::array kScaleFields = {
    ScaleFields{DType::Q4_0, offsetof(BlockQ4_0, d), {}},
    ScaleFields{DType::Q4_1, offsetof(BlockQ4_1, d), offsetof(BlockQ4_1, m), -7.5f},
    ScaleFields{DType::Q5_0, offsetof(BlockQ5_0, d), {}},
    ScaleFields{DType::Q5_1, offsetof(BlockQ5_1, d), offsetof(BlockQ5_1, m), -15.5f},
    ScaleFields{DType::Q8_0, offsetof(BlockQ8_0, d), {}},
    ScaleFields{DType::Q2_K, offsetof(BlockQ2_K, d), offsetof(BlockQ2_K, dmin), 1.5f},
    ScaleFields{DType::Q3_K, offsetof(BlockQ3_K, d), {}},
    ScaleFields{DType::Q4_K, offsetof(BlockQ4_K, d), offsetof(BlockQ4_K, dmin), 7.5f},
    ScaleFields{DType::Q5_K, offsetof(BlockQ5_K, d), offsetof(BlockQ5_K, dmin), 15.5f},
    ScaleFields{DType::Q6_K, offsetof(BlockQ6_K, d), {}},
    ScaleFields{DType::IQ4_NL, offsetof(BlockIQ4_NL, d), {}},
    ScaleFields{DType::IQ4_XS, offsetof(BlockIQ4_XS, d), {}},
    ScaleFields{DType::INT4_G64, 0, {}},
    ScaleFields{DType::INT4_G128, 0, {}},
    ScaleFields{DType::UINT4_G64, 0, sizeof(half), -7.5f},
    ScaleFields{DType::UINT4_G128, 0, sizeof(half), -7.5f},
    ScaleFields{DType::Q8_S50, 0, {}},
    ScaleFields{DType::Q4_S50, 0, {}},
};

const ScaleFields* scale_fields(DType dtype) {
  for (const ScaleFields& fields : kScaleFields) {
    if (fields.dtype == dtype) return &fields;
  }
  return nullptr;
}

bool is_float(DType dtype) {
  return dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16;
}

template <typename T>
void store(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof(value));
}

void fill_bytes(std::span<std::byte> bytes, SplitMix64& random) {
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) store(bytes.data() + at, random());
  const uint64_t last = random();
  std::memcpy(bytes.data() + at, &last, bytes.size() - at);
}

}  // namespace

SyntheticFill::SyntheticFill(DType dtype, double sigma, uint64_t elements, uint64_t cols)
    : dtype_(dtype), layout_(dtype_info(dtype).layout), elements_(elements), cols_(cols) {
  bytes_ = tensor_bytes(dtype, elements / cols, cols).value();
  const DTypeInfo& info = dtype_info(dtype);
  unit_bytes_ = layout_ == Layout::rows ? row_bytes(dtype, cols) : info.block_bytes;
  if (layout_ == Layout::planes) unit_bytes_ = sizeof(float);
  piece_bytes_ = std::max<uint64_t>(1, kPieceBytes / unit_bytes_) * unit_bytes_;
  pieces_ = (bytes_ + piece_bytes_ - 1) / piece_bytes_;
  if (is_float(dtype)) {
    make_normals(sigma);
  } else {
    make_scales(1.0);
    make_scales(sigma / measure_unit());
  }
}

/// The standard deviation of the values that scales around 1 give, by the format's own definition.
double SyntheticFill::measure_unit() const {
  constexpr uint64_t kSample = 1u << 16;
  const uint64_t width = layout_ == Layout::rows ? cols_ : dtype_info(dtype_).block_elements;
  const uint64_t rows = std::max<uint64_t>(1, kSample / width);
  SyntheticFill sample = *this;
  sample.elements_ = rows * width;
  sample.cols_ = width;
  sample.bytes_ = tensor_bytes(dtype_, rows, width).value();
  sample.piece_bytes_ = sample.bytes_;
  const std::vector<std::byte> bytes = sample.piece(0, 0);
  std::vector<float> values(rows * width);
  dequantize_rows({"sample", dtype_, {rows, width}, bytes}, 0, rows, values.data());
  double squares = 0;
  for (const float v : values) squares += double(v) * v;
  return std::sqrt(squares / double(values.size()));
}

void SyntheticFill::make_scales(double unit) {
  const ScaleFields* fields = scale_fields(dtype_);
  scales_.clear();
  minima_.clear();
  float_scales_.clear();
  for (size_t i = 0; i < kScales; ++i) {
    const double scale = unit * (0.75 + 0.5 * double(i) / double(kScales - 1));
    float_scales_.push_back(float(scale));
    scales_.push_back(float_to_half(float(scale)));
    minima_.push_back(fields ? float_to_half(half_to_float(scales_.back()) * fields->minimum) : half(0));
  }
}

/// 65536 values of the normal distribution, each with its negative: drawing one of them costs 16 random
/// bits and one load.
void SyntheticFill::make_normals(double sigma) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal(0, sigma);
  const size_t size = dtype_info(dtype_).block_bytes;
  normals_.resize(kNormals * size);
  for (size_t i = 0; i < kNormals; i += 2) {
    const auto value = float(normal(random));
    for (size_t k = 0; k < 2; ++k) {
      const float v = k == 0 ? value : -value;
      std::byte* at = normals_.data() + (i + k) * size;
      if (dtype_ == DType::F32) store(at, v);
      if (dtype_ == DType::F16) store(at, float_to_half(v));
      if (dtype_ == DType::BF16) store(at, float_to_bfloat16(v));
    }
  }
}

std::vector<std::byte> SyntheticFill::piece(uint64_t index, uint64_t seed) const {
  const uint64_t begin = index * piece_bytes_;
  std::vector<std::byte> bytes(size_t(std::min(piece_bytes_, bytes_ - begin)));
  SplitMix64 mix(seed);
  SplitMix64 random(mix() + index);
  if (is_float(dtype_)) {
    fill_floats(bytes, random);
  } else if (layout_ == Layout::planes) {
    fill_planes(bytes, begin, random);
  } else {
    fill_units(bytes, random);
  }
  return bytes;
}

void SyntheticFill::fill_floats(std::span<std::byte> bytes, SplitMix64& random) const {
  const auto draw = [&]<typename T>(T) {
    const size_t count = bytes.size() / sizeof(T);
    for (size_t at = 0; at < count; at += 4) {
      uint64_t bits = random();
      for (size_t i = at; i < std::min(at + 4, count); ++i, bits >>= 16) {
        std::memcpy(bytes.data() + i * sizeof(T), normals_.data() + (bits & 0xffff) * sizeof(T), sizeof(T));
      }
    }
  };
  if (dtype_ == DType::F32) {
    draw(float{});
  } else {
    draw(uint16_t{});
  }
}

void SyntheticFill::fill_units(std::span<std::byte> bytes, SplitMix64& random) const {
  fill_bytes(bytes, random);
  const ScaleFields* fields = scale_fields(dtype_);
  for (size_t at = 0; at < bytes.size(); at += unit_bytes_) {
    std::byte* unit = bytes.data() + at;
    const size_t draw = random() % kScales;
    if (fields) {
      store(unit + fields->scale, scales_[draw]);
      if (fields->minimum_at) store(unit + *fields->minimum_at, minima_[draw]);
    } else if (dtype_ == DType::MXFP4) {
      store(unit, uint8_t(std::clamp(127 + std::lround(std::log2(float_scales_[draw])), 2l, 254l)));
    } else {
      store(unit, float_scales_[draw]);  // NF4 and FP4 by block, INT8 by row
    }
  }
}

/// Codes and the codes of the block scales are any bytes; the scales of these make block scales of
/// mean + up to a third of it to both sides.
void SyntheticFill::fill_planes(std::span<std::byte> bytes, uint64_t begin, SplitMix64& random) const {
  const uint64_t head = (elements_ / 2 + elements_ / 64 + 3) / 4 * 4;
  fill_bytes(bytes, random);
  const float middle = float_scales_[kScales / 2];
  for (uint64_t at = std::max(begin, head); at < begin + bytes.size(); at += sizeof(float)) {
    const bool is_mean = at + sizeof(float) == bytes_;
    store(bytes.data() + (at - begin), is_mean ? middle : float_scales_[random() % kScales] / 3);
  }
}

}  // namespace nibble
