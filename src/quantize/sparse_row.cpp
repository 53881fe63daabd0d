#include "quantize/sparse_row.h"

#include <algorithm>

#include "base/error.h"
#include "quantize/pack_codes.h"
#include "tensor/codes.h"
#include "tensor/sparse_blocks.h"

namespace nibble {

namespace {

void put_codes(const uint8_t* stored, BlockQ8_S50& b) {
  std::memcpy(b.qs, stored, sizeof(b.qs));
}
void put_codes(const uint8_t* stored, BlockQ4_S50& b) {
  pack_nibbles<kSparseStored>(stored, b.qs);
}

template <typename Dense, typename Sparse>
void store_row(const std::byte* dense, std::byte* out, uint64_t cols, uint8_t zero, DType dtype) {
  for (uint64_t i = 0; i < cols / Dense::kElements; ++i) {
    Dense from;
    std::memcpy(&from, dense + i * sizeof(Dense), sizeof(Dense));
    uint8_t q[Dense::kElements], stored[Dense::kElements];
    unpack_codes(from, q);
    std::fill(std::begin(stored), std::end(stored), zero);
    uint32_t mask = 0, count = 0;
    for (uint32_t j = 0; j < Dense::kElements; ++j) {
      if (q[j] == zero) continue;
      mask |= 1u << j;
      stored[count++] = q[j];
    }
    if (count > kSparseStored) {
      fail(
          "{} stores {} of each 32 weights, and {} are not zero: prune with --sparsity 2:4, 4:8 or 16:32 "
          "first",
          dtype_name(dtype), kSparseStored, count);
    }
    Sparse to;
    to.d = from.d;
    std::memcpy(to.mask, &mask, sizeof(mask));
    put_codes(stored, to);
    std::memcpy(out + i * sizeof(Sparse), &to, sizeof(Sparse));
  }
}

}  // namespace

void store_sparse_row(DType dtype, const std::byte* dense, std::byte* out, uint64_t cols) {
  switch (dtype) {
    case DType::Q8_S50:
      return store_row<BlockQ8_0, BlockQ8_S50>(dense, out, cols, 0, dtype);
    case DType::Q4_S50:
      return store_row<BlockQ4_0, BlockQ4_S50>(dense, out, cols, 8, dtype);
    default:
      fail("{} stores no zeros apart", dtype_name(dtype));
  }
}

}  // namespace nibble
