#pragma once

#include "runtime/kv_layout.h"

namespace nibble {

/// KvLayout::store for the quantized types.
void store_int8(const KvLayout& layout, std::byte* block, uint32_t position, const float* key,
                const float* value);
void store_int4(const KvLayout& layout, std::byte* block, uint32_t position, const float* key,
                const float* value);

}  // namespace nibble
