#pragma once

#include <cstdint>

#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "runtime/layer_weights.h"
#include "runtime/slice.h"

namespace nibble {

/// The inputs of a layer's matrix products, in the order in which they are multiplied; q, k and v share
/// one, and so do gate and up.
enum class LayerInput { qkv, attention_output, gate_up, down };

/// Sees each input [tokens, cols] before it is multiplied: calibration's statistics.
using LayerObserver = FunctionRef<void(LayerInput, Activations&)>;

/// Runs a slice through one layer of the Llama family: buffers.x [tokens, hidden] goes in and comes out,
/// and the tokens' keys and values are added to the cache as those of its layer `cache_layer`.
void run_layer(const ModelConfig& config, const LayerWeights& weights, uint32_t cache_layer,
               const Slice& slice, const Rope& rope, Attention& attention, KvCache& cache, Buffers& buffers,
               ThreadPool& pool, const LayerObserver* observer = nullptr);

/// How many rows of this width make a piece of work that is worth waking a thread for.
size_t rows_per_task(size_t width);

}  // namespace nibble
