#pragma once

#include "kernels/quantized_attention.h"

/// The tables behind quantized_attention_ops(), each defined in a file compiled for its instruction set.

#define NIBBLE_DECLARE_QUANTIZED_ATTENTION(isa)           \
  namespace nibble::isa {                                 \
  extern const QuantizedAttentionOps quantized_attention; \
  }

NIBBLE_DECLARE_QUANTIZED_ATTENTION(ref)
NIBBLE_DECLARE_QUANTIZED_ATTENTION(avx2)
NIBBLE_DECLARE_QUANTIZED_ATTENTION(avx_vnni)
NIBBLE_DECLARE_QUANTIZED_ATTENTION(avx512)
NIBBLE_DECLARE_QUANTIZED_ATTENTION(vnni)
