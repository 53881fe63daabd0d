#include "quantize/block_grid.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>
#include <type_traits>

#include "quantize/pack_codes.h"
#include "tensor/blocks.h"
#include "tensor/codes.h"

namespace nibble {

namespace {

template <typename Value>
struct LevelTable {
  std::array<float, 16> levels;
  std::array<uint8_t, 16> order;

  explicit LevelTable(const Value (&values)[16]) {
    std::iota(order.begin(), order.end(), uint8_t(0));
    std::stable_sort(order.begin(), order.end(), [&](uint8_t a, uint8_t b) { return values[a] < values[b]; });
    for (size_t i = 0; i < 16; ++i) levels[i] = float(values[order[i]]);
  }
  Grid grid() const { return {levels, order, 15}; }
};

/// Calls visit with a null pointer to the block struct of a type; false for types without.
template <typename Visit>
bool with_block(DType dtype, Visit visit) {
  const auto call = [&]<typename Block>(const Block* block) {
    visit(block);
    return true;
  };
  switch (dtype) {
    case DType::Q4_0:
      return call((const BlockQ4_0*)nullptr);
    case DType::Q4_1:
      return call((const BlockQ4_1*)nullptr);
    case DType::Q5_0:
      return call((const BlockQ5_0*)nullptr);
    case DType::Q5_1:
      return call((const BlockQ5_1*)nullptr);
    case DType::Q8_0:
      return call((const BlockQ8_0*)nullptr);
    case DType::Q2_K:
      return call((const BlockQ2_K*)nullptr);
    case DType::Q3_K:
      return call((const BlockQ3_K*)nullptr);
    case DType::Q4_K:
      return call((const BlockQ4_K*)nullptr);
    case DType::Q5_K:
      return call((const BlockQ5_K*)nullptr);
    case DType::Q6_K:
      return call((const BlockQ6_K*)nullptr);
    case DType::IQ4_NL:
      return call((const BlockIQ4_NL*)nullptr);
    case DType::IQ4_XS:
      return call((const BlockIQ4_XS*)nullptr);
    case DType::MXFP4:
      return call((const BlockMXFP4*)nullptr);
    case DType::NF4:
    case DType::FP4:
      return call((const BlockNF4*)nullptr);
    case DType::INT4_G64:
      return call((const BlockInt4<64>*)nullptr);
    case DType::INT4_G128:
      return call((const BlockInt4<128>*)nullptr);
    case DType::UINT4_G64:
      return call((const BlockUint4<64>*)nullptr);
    case DType::UINT4_G128:
      return call((const BlockUint4<128>*)nullptr);
    default:
      return false;
  }
}

// Scale and offset of the elements of group g, as the codes stand for scale * level + offset.

struct Affine {
  float scale, offset = 0;
};

template <typename Block>
constexpr uint32_t group_size() {
  if constexpr (std::is_same_v<Block, BlockQ2_K> || std::is_same_v<Block, BlockQ3_K> ||
                std::is_same_v<Block, BlockQ6_K>) {
    return 16;
  }
  return std::min<uint32_t>(Block::kElements, Block::kElements == 256 ? 32 : Block::kElements);
}

/// What is taken off the stored code of types that store no offset.
template <typename Block>
constexpr float code_bias() {
  if constexpr (std::is_same_v<Block, BlockQ5_0>) return 16;
  if constexpr (std::is_same_v<Block, BlockQ8_0>) return 127;
  if constexpr (std::is_same_v<Block, BlockQ3_K>) return 4;
  if constexpr (std::is_same_v<Block, BlockQ6_K>) return 32;
  return 8;
}

template <typename Block>
Affine affine(const Block& b, uint32_t g) {
  if constexpr (std::is_same_v<Block, BlockNF4>) return {b.d};
  if constexpr (std::is_same_v<Block, BlockMXFP4>) return {mxfp4_half_scale(b.e)};
  if constexpr (std::is_same_v<Block, BlockIQ4_NL>) return {half_to_float(b.d)};
  if constexpr (requires { b.m; }) return {half_to_float(b.d), half_to_float(b.m)};
  if constexpr (requires { b.dmin; }) {
    uint8_t scales[16], mins[16];
    unpack_scales(b, scales, mins);
    return {half_to_float(b.d) * float(scales[g]), -half_to_float(b.dmin) * float(mins[g])};
  }
  if constexpr (Block::kElements == 256 && !requires { b.dmin; }) {
    int8_t scales[16];
    unpack_scales(b, scales);
    const float scale = half_to_float(b.d) * float(scales[g]);
    return {scale, std::is_same_v<Block, BlockIQ4_XS> ? 0.0f : -code_bias<Block>() * scale};
  }
  if constexpr (!std::is_same_v<Block, BlockNF4> && !std::is_same_v<Block, BlockMXFP4>) {
    const float scale = half_to_float(b.d);
    return {scale, -code_bias<Block>() * scale};
  }
}

int largest_code(DType dtype) {
  switch (dtype) {
    case DType::Q2_K:
      return 3;
    case DType::Q3_K:
      return 7;
    case DType::Q5_0:
    case DType::Q5_1:
    case DType::Q5_K:
      return 31;
    case DType::Q6_K:
      return 63;
    case DType::Q8_0:
    case DType::INT8:
      return 254;
    default:
      return 15;
  }
}

}  // namespace

uint64_t scale_block(DType dtype, uint64_t cols) {
  return dtype == DType::INT8 ? cols : dtype_info(dtype).block_elements;
}

bool has_grid(DType dtype) {
  return dtype == DType::INT8 || with_block(dtype, [](const auto*) {});
}

Grid grid_of(DType dtype) {
  static const LevelTable iq4(kIQ4Values), mxfp4(kMXFP4Values);
  static const LevelTable nf4(kNF4Values), fp4(kFP4Values);
  switch (dtype) {
    case DType::IQ4_NL:
    case DType::IQ4_XS:
      return iq4.grid();
    case DType::MXFP4:
      return mxfp4.grid();
    case DType::NF4:
      return nf4.grid();
    case DType::FP4:
      return fp4.grid();
    default:
      return {{}, {}, largest_code(dtype)};
  }
}

void read_scales(DType dtype, const std::byte* bytes, uint64_t n, float* scale, float* offset) {
  if (dtype == DType::INT8) {
    float row_scale;
    std::memcpy(&row_scale, bytes, sizeof(row_scale));
    std::fill_n(scale, n, row_scale);
    std::fill_n(offset, n, -127.0f * row_scale);
    return;
  }
  with_block(dtype, [&]<typename Block>(const Block*) {
    Block block;
    std::memcpy(&block, bytes, sizeof(block));
    constexpr uint32_t kGroup = group_size<Block>();
    for (uint32_t j = 0; j < Block::kElements; j += kGroup) {
      const Affine a = affine(block, j / kGroup);
      std::fill_n(scale + j, kGroup, a.scale);
      std::fill_n(offset + j, kGroup, a.offset);
    }
  });
}

BlockScales block_scales(DType dtype) {
  BlockScales scales = BlockScales::fixed;
  with_block(dtype, [&]<typename Block>(const Block*) {
    if constexpr (requires(Block b) { b.d; } && Block::kElements <= 128 &&
                  !std::is_same_v<Block, BlockQ8_0>) {
      scales = requires(Block b) {
        b.m;
      }
      ? BlockScales::scale_and_offset : BlockScales::scale;
    }
  });
  return scales;
}

void write_scales(DType dtype, float scale, float offset, std::byte* bytes) {
  with_block(dtype, [&]<typename Block>(const Block*) {
    if constexpr (requires(Block b) { b.d; }) {
      Block block;
      std::memcpy(&block, bytes, sizeof(block));
      if constexpr (std::is_same_v<decltype(block.d), float>) {
        block.d = scale;
      } else {
        block.d = float_to_half(scale);
      }
      constexpr float kLargestHalf = 65504.0f;
      if constexpr (requires { block.m; }) {
        block.m = float_to_half(std::clamp(offset, -kLargestHalf, kLargestHalf));
      }
      std::memcpy(bytes, &block, sizeof(block));
    }
  });
}

bool stretch_scale(DType dtype, float factor, std::byte* bytes) {
  if (block_scales(dtype) != BlockScales::scale) return false;
  std::array<float, 128> scale, offset;
  read_scales(dtype, bytes, dtype_info(dtype).block_elements, scale.data(), offset.data());
  write_scales(dtype, scale[0] * factor, 0.0f, bytes);
  return true;
}

void write_codes(DType dtype, const uint8_t* codes, uint64_t n, std::byte* bytes) {
  if (dtype == DType::INT8) {
    for (uint64_t j = 0; j < n; ++j) bytes[kInt8RowHeaderBytes + j] = std::byte(int8_t(int(codes[j]) - 127));
    return;
  }
  with_block(dtype, [&]<typename Block>(const Block*) {
    Block block;
    std::memcpy(&block, bytes, sizeof(block));
    pack_codes(codes, block);
    std::memcpy(bytes, &block, sizeof(block));
  });
}

GridPoint nearest(const Grid& grid, float x, float scale, float offset) {
  const float t = scale != 0 ? (x - offset) / scale : 0.0f;
  if (grid.levels.empty()) {
    const int code = int(std::lrintf(std::clamp(t, 0.0f, float(grid.largest))));
    return {uint8_t(code), scale * float(code) + offset};
  }
  const auto above = std::lower_bound(grid.levels.begin(), grid.levels.end(), t);
  size_t place = size_t(above - grid.levels.begin());
  if (above == grid.levels.end() || (place > 0 && t - above[-1] <= *above - t)) --place;
  return {grid.order[place], scale * grid.levels[place] + offset};
}

}  // namespace nibble
