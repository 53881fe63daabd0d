#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "runtime/model.h"
#include "runtime/slice.h"

namespace nibble {

/// Runs a slice through one layer of the Llama family: buffers.x [tokens, hidden] goes in and comes out,
/// and the tokens' keys and values are added to the cache.
void run_layer(const Model& model, uint32_t layer, const Slice& slice, const Rope& rope, Attention& attention,
               KvCache& cache, Buffers& buffers, ThreadPool& pool);

/// How many rows of this width make a piece of work that is worth waking a thread for.
size_t rows_per_task(size_t width);

}  // namespace nibble
