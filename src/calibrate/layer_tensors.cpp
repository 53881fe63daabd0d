#include "calibrate/layer_tensors.h"

#include <fmt/format.h>

#include <utility>

#include "calibrate/layer_statistics.h"
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

TensorBytes round_rows(const TensorView& matrix, DType to, RowReader rows, const float* importance,
                       ThreadPool& pool) {
  const uint64_t cols = matrix.cols(), stride = row_bytes(to, cols);
  TensorBytes bytes(matrix.rows() * stride);
  pool.parallel_for(matrix.rows(), kRowsPerTask, [&](size_t begin, size_t end) {
    std::vector<float> values(cols);
    for (size_t row = begin; row < end; ++row) {
      rows(row, values.data());
      quantize_row(to, values.data(), &bytes[row * stride], cols, importance);
    }
  });
  return bytes;
}

TensorBytes round_to_nearest(const Checkpoint& checkpoint, const TensorView& matrix, DType to,
                             const float* importance, ThreadPool& pool) {
  const SourceRows source(checkpoint, matrix);
  const auto rows = [&](uint64_t row, float* values) { source.read_source(row, values); };
  return round_rows(matrix, to, rows, importance, pool);
}

TensorBytes settle(const TensorView& matrix, TensorBytes bytes, TensorTypes& types, RowReader rows,
                   ThreadPool& pool) {
  const auto measure = [&](const TensorBytes& written) {
    return measure_fidelity({matrix.name, types(matrix), matrix.shape, written}, rows, pool);
  };
  const auto nearest = [&] { return measure(round_rows(matrix, types(matrix), rows, nullptr, pool)); };
  while (!types.accept(matrix, measure(bytes), nearest)) {
    bytes = round_rows(matrix, types(matrix), rows, nullptr, pool);
  }
  return bytes;
}

TensorBytes settle(const Checkpoint& checkpoint, const TensorView& matrix, TensorBytes bytes,
                   TensorTypes& types, ThreadPool& pool) {
  const SourceRows source(checkpoint, matrix);
  const auto rows = [&](uint64_t row, float* values) { source.read_source(row, values); };
  return settle(matrix, std::move(bytes), types, rows, pool);
}

LayerWeights load_quantized_layer(const Checkpoint& checkpoint, uint32_t layer, const LayerTensors& quantized,
                                  const TensorTypes& types, ThreadPool& pool) {
  return load_layer(checkpoint, layer, [&](const TensorView& tensor) {
    const auto found = quantized.find(tensor.name);
    if (found == quantized.end()) return Linear::pack(tensor, pool);
    return Linear::pack({tensor.name, types(tensor), tensor.shape, found->second}, pool);
  });
}

LayerWeights load_layer_to_watch(const Checkpoint& checkpoint, uint32_t layer,
                                 std::deque<TensorBytes>& memory, ThreadPool& pool) {
  return load_layer(checkpoint, layer, [&](const TensorView& tensor) {
    if (!has_float_values(tensor.dtype) || tensor.cols() % dtype_info(DType::Q8_0).block_elements != 0) {
      return Linear::pack(tensor, pool);
    }
    const TensorBytes& bytes =
        memory.emplace_back(round_to_nearest(checkpoint, tensor, DType::Q8_0, nullptr, pool));
    return Linear::pack({tensor.name, DType::Q8_0, tensor.shape, bytes}, pool);
  });
}

std::array<std::string, kLayerMatrices> layer_matrix_names(uint32_t layer) {
  std::array<std::string, kLayerMatrices> names;
  size_t next = 0;
  for (const auto& parts : kInputMatrices) {
    for (const std::string& part : parts) names[next++] = fmt::format("blk.{}.{}", layer, part);
  }
  return names;
}

}  // namespace nibble
