#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "calibrate/layer_gradient.h"
#include "calibrate/tensor_types.h"
#include "model/checkpoint.h"
#include "runtime/layer_weights.h"

/// What the methods that quantize layer by layer share (GptqModel, FoldedModel, AutoroundModel, PruneModel).
namespace nibble {

/// A tensor in its new type, rows in the source's order.
using TensorBytes = std::vector<std::byte>;
/// Tensors by name.
using LayerTensors = std::map<std::string, TensorBytes>;
/// Whether a method chooses the codes of a tensor: not of one that has its type already, or whose type takes
/// none (has_grid).
bool takes_codes(const TensorView& tensor, DType to);

/// Rows [first, first + count) of a matrix as float32 [count, cols].
void read_rows(const Checkpoint& checkpoint, const TensorView& matrix, uint64_t first, uint64_t count,
               float* out, ThreadPool& pool);

/// Reads a row, in the source's order.
using RowReader = FunctionRef<void(uint64_t row, float* values)>;

/// Rows of a matrix' shape rounded to nearest; `importance` [cols] as in quantize_row, or null.
TensorBytes round_rows(const TensorView& matrix, DType to, RowReader rows, const float* importance,
                       ThreadPool& pool);
/// A matrix rounded to nearest.
TensorBytes round_to_nearest(const Checkpoint& checkpoint, const TensorView& matrix, DType to,
                             const float* importance, ThreadPool& pool);

/// A matrix that a method made in its type, or, where the check fails (TensorTypes::accept), what `rows` are
/// in wider ones, rounded to nearest. `rows` is what the matrix stands for: those of the source, or the
/// scaled or pruned ones.
TensorBytes settle(const TensorView& matrix, TensorBytes bytes, TensorTypes& types, RowReader rows,
                   ThreadPool& pool);
/// The same for rows that stay those of the source.
TensorBytes settle(const Checkpoint& checkpoint, const TensorView& matrix, TensorBytes bytes,
                   TensorTypes& types, ThreadPool& pool);

/// A layer with its matrices in `quantized` in place of the source's.
LayerWeights load_quantized_layer(const Checkpoint& checkpoint, uint32_t layer, const LayerTensors& quantized,
                                  const TensorTypes& types, ThreadPool& pool);

/// A layer for passes that only gather statistics: float weights as Q8_0 in `memory`, whose integer products
/// take a third of the time and are near enough for second moments.
LayerWeights load_layer_to_watch(const Checkpoint& checkpoint, uint32_t layer,
                                 std::deque<TensorBytes>& memory, ThreadPool& pool);

/// The names of a layer's matrices, by LayerMatrix.
std::array<std::string, kLayerMatrices> layer_matrix_names(uint32_t layer);

}  // namespace nibble
