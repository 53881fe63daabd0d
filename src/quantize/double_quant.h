#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "quantize/four_bit_scale.h"
#include "tensor/dtype.h"

namespace nibble {

/// QLoRA's double quantization (Dettmers et al. 2023, section 3) of one tensor, as bitsandbytes does it
/// with blocksize 64 and compress_statistics: makes the planes of NF4_DQ and FP4_DQ (tensor/blocks.h),
/// 4.127 bits per weight. The codes stream; the scales of all blocks (a 64th of the tensor's float32
/// size) are kept until the last is known, since their mean is subtracted first.
class DoubleQuantizer {
 public:
  /// `dtype` is NF4_DQ or FP4_DQ; `elements` of the whole tensor, a multiple of 64.
  DoubleQuantizer(DType dtype, uint64_t elements, FourBitScale scale = FourBitScale::absmax);

  /// Quantizes values [first, first + count) of the tensor, both multiples of 64, into count / 2 bytes at
  /// `codes`, which belong at byte first / 2 of the planes. Values must be finite. `importance` [count], or
  /// null for equal, weights the errors where scales are learned; codes suit the scales as they are before
  /// these are quantized. Calls for ranges that do not overlap may run at the same time.
  void add(uint64_t first, const float* x, uint64_t count, std::byte* codes,
           const float* importance = nullptr);

  /// The planes after the codes, once every value was added: double_quantized_bytes(elements) - elements / 2
  /// bytes.
  std::vector<std::byte> finish() const;

 private:
  DType dtype_;
  FourBitScale scale_;
  std::vector<float> block_scales_;  ///< [elements / 64]
};

}  // namespace nibble
