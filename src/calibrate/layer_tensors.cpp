#include "calibrate/layer_tensors.h"

#include "calibrate/tensor_writer.h"
#include "quantize/block_grid.h"
#include "quantize/quantize_row.h"

namespace nibble {

namespace {

constexpr size_t kRowsPerTask = 16;

bool has_float_values(DType dtype) {
  return dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16;
}

}  // namespace

bool takes_codes(const TensorView& tensor, DType to) {
  return to != tensor.dtype && has_grid(to);
}

void read_rows(const Checkpoint& checkpoint, const TensorView& matrix, uint64_t first, uint64_t count,
               float* out, ThreadPool& pool) {
  const SourceRows source(checkpoint, matrix);
  const uint64_t cols = matrix.cols();
  pool.parallel_for(count, kRowsPerTask, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) source.read_source(first + row, out + row * cols);
  });
}

TensorBytes round_to_nearest(const Checkpoint& checkpoint, const TensorView& matrix, DType to,
                             const float* importance, ThreadPool& pool) {
  const SourceRows source(checkpoint, matrix);
  const uint64_t cols = matrix.cols(), stride = row_bytes(to, cols);
  TensorBytes bytes(matrix.rows() * stride);
  pool.parallel_for(matrix.rows(), kRowsPerTask, [&](size_t begin, size_t end) {
    std::vector<float> values(cols);
    for (size_t row = begin; row < end; ++row) {
      source.read_source(row, values.data());
      quantize_row(to, values.data(), &bytes[row * stride], cols, importance);
    }
  });
  return bytes;
}

TensorBytes round_values(DType to, const float* values, uint64_t rows, uint64_t cols, const float* importance,
                         ThreadPool& pool) {
  const uint64_t stride = row_bytes(to, cols);
  TensorBytes bytes(rows * stride);
  pool.parallel_for(rows, kRowsPerTask, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      quantize_row(to, values + row * cols, &bytes[row * stride], cols, importance);
    }
  });
  return bytes;
}

Linear pack_to_watch(const Checkpoint& checkpoint, const TensorView& tensor, std::deque<TensorBytes>& memory,
                     ThreadPool& pool) {
  const bool is_float = has_float_values(tensor.dtype);
  if (!is_float || tensor.cols() % dtype_info(DType::Q8_0).block_elements != 0) {
    return Linear::pack(tensor, pool);
  }
  const TensorBytes& bytes =
      memory.emplace_back(round_to_nearest(checkpoint, tensor, DType::Q8_0, nullptr, pool));
  return Linear::pack({tensor.name, DType::Q8_0, tensor.shape, bytes}, pool);
}

LayerWeights load_quantized_layer(const Checkpoint& checkpoint, uint32_t layer, const LayerTensors& quantized,
                                  const TypeOf& type_of, ThreadPool& pool) {
  return load_layer(checkpoint, layer, [&](const TensorView& tensor) {
    const auto found = quantized.find(tensor.name);
    if (found == quantized.end()) return Linear::pack(tensor, pool);
    return Linear::pack({tensor.name, type_of(tensor), tensor.shape, found->second}, pool);
  });
}

}  // namespace nibble
