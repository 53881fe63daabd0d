#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "model/checkpoint.h"
#include "runtime/layer_weights.h"

/// What the methods that quantize layer by layer share (GptqModel, FoldedModel, AutoroundModel, PruneModel).
namespace nibble {

/// A tensor in its new type, rows in the source's order.
using TensorBytes = std::vector<std::byte>;
/// Tensors by name.
using LayerTensors = std::map<std::string, TensorBytes>;
/// The type that a tensor becomes.
using TypeOf = std::function<DType(const TensorView&)>;

/// Whether a method chooses the codes of a tensor: not of one that has its type already, or whose type takes
/// none (has_grid).
bool takes_codes(const TensorView& tensor, DType to);

/// Rows [first, first + count) of a matrix as float32 [count, cols].
void read_rows(const Checkpoint& checkpoint, const TensorView& matrix, uint64_t first, uint64_t count,
               float* out, ThreadPool& pool);

/// A matrix rounded to nearest; `importance` [cols] as in quantize_row, or null.
TensorBytes round_to_nearest(const Checkpoint& checkpoint, const TensorView& matrix, DType to,
                             const float* importance, ThreadPool& pool);

/// Values [rows, cols] rounded to nearest; `importance` as above.
TensorBytes round_values(DType to, const float* values, uint64_t rows, uint64_t cols, const float* importance,
                         ThreadPool& pool);

/// Weights for a pass that only gathers statistics: float ones as Q8_0 in `memory`, whose integer products
/// take a third of the time and are near enough for second moments.
Linear pack_to_watch(const Checkpoint& checkpoint, const TensorView& tensor, std::deque<TensorBytes>& memory,
                     ThreadPool& pool);

/// A layer with its matrices in `quantized` in place of the source's.
LayerWeights load_quantized_layer(const Checkpoint& checkpoint, uint32_t layer, const LayerTensors& quantized,
                                  const TypeOf& type_of, ThreadPool& pool);

}  // namespace nibble
