#pragma once

#include "kernels/quantized_attention_tables.h"

/// The tables of AVX-512 and AVX-VNNI compiled against an emulation of the instructions, which needs AVX2.
NIBBLE_DECLARE_QUANTIZED_ATTENTION(emulated_avx512)
NIBBLE_DECLARE_QUANTIZED_ATTENTION(emulated_vnni)
NIBBLE_DECLARE_QUANTIZED_ATTENTION(emulated_avx_vnni)
