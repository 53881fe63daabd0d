#include "calibrate/tensor_writer.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/error.h"
#include "model/rope_permutation.h"
#include "quantize/double_quant.h"
#include "quantize/finite.h"
#include "quantize/quantize_row.h"
#include "tensor/dequantize.h"

namespace nibble {

namespace {

/// Float32 bytes of the rows that are read, quantized and written as one piece: large enough that
/// threads share it evenly, small enough that two pieces and their results stay in the last-level cache.
constexpr uint64_t kPieceBytes = 16u << 20;

/// Rows that a thread takes at a time: a few, so that the threads end a piece together.
uint64_t grain_of(uint64_t rows, int threads) {
  return std::max<uint64_t>(1, rows / uint64_t(8 * threads));
}

}  // namespace

SourceRows::SourceRows(const Checkpoint& checkpoint, const TensorView& tensor)
    : checkpoint_(checkpoint),
      tensor_(tensor),
      permuted_(needs_row_permutation(checkpoint.config(), tensor.name)) {}

void SourceRows::read(uint64_t row, float* out) const {
  const bool vector = tensor_.shape.size() < 2;
  read_source(vector ? row : source_row(row), out);
  if (permuted_ && vector) permute(out);
}

void SourceRows::read_source(uint64_t row, float* out) const {
  if (read_finite(row, out)) return;
  fail("{}: tensor {} holds a NaN or an infinity in row {}; the checkpoint is damaged, get it again",
       checkpoint_.path().string(), tensor_.name, row);
}

uint64_t SourceRows::source_row(uint64_t row) const {
  if (!permuted_) return row;
  return hf_row_of(row, checkpoint_.config().head_dim, checkpoint_.config().rope.dims);
}

void SourceRows::release(uint64_t first, uint64_t count) const {
  if (permuted_ || dtype_info(tensor_.dtype).layout == Layout::planes) return;
  const uint64_t stride = row_bytes(tensor_.dtype, tensor_.cols());
  TensorView part = tensor_;
  part.data = tensor_.data.subspan(first * stride, count * stride);
  checkpoint_.release(part);
}

/// False when a value is not finite.
bool SourceRows::read_finite(uint64_t row, float* out) const {
  const DType dtype = tensor_.dtype;
  const uint64_t cols = tensor_.cols();
  if (dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16) {
    return expand_finite(dtype, tensor_.data.data() + row * row_bytes(dtype, cols), out, cols);
  }
  dequantize_rows(tensor_, row, 1, out);
  return all_finite(out, cols);
}

void SourceRows::permute(float* bias) const {
  const std::vector<float> source(bias, bias + tensor_.cols());
  for (uint64_t i = 0; i < source.size(); ++i) bias[i] = source[source_row(i)];
}

BackgroundWriter::~BackgroundWriter() {
  if (pending_.valid()) pending_.wait();
}

void BackgroundWriter::write(std::vector<std::byte> piece) {
  wait();
  piece_ = std::move(piece);
  pending_ = std::async(std::launch::async, [this] { writer_.write(piece_); });
}

void BackgroundWriter::wait() {
  if (pending_.valid()) pending_.get();
}

/// Reads a tensor piece by piece, has threads make its rows of `stride` bytes, and appends them.
void TensorWriter::write_rows(const TensorView& tensor, uint64_t stride, const RowFunction& make_row) {
  const SourceRows source(checkpoint_, tensor);
  const uint64_t cols = tensor.cols(), rows = tensor.rows();
  const uint64_t piece_rows = std::max<uint64_t>(1, kPieceBytes / (4 * cols));
  for (uint64_t first = 0; first < rows; first += piece_rows) {
    const uint64_t count = std::min(piece_rows, rows - first);
    std::vector<std::byte> piece(count * stride);
    pool_.parallel_for(count, grain_of(count, pool_.size()), [&](size_t begin, size_t end) {
      std::vector<float> values(cols);
      for (size_t row = begin; row < end; ++row) {
        source.read(first + row, values.data());
        make_row(first + row, values.data(), piece.data() + row * stride);
      }
    });
    source.release(first, count);
    writer_.write(std::move(piece));
    progress_.add(count * cols, tensor.name);
  }
  checkpoint_.release(tensor);
}

/// True when neither type nor row order of a tensor change.
bool TensorWriter::stays(const TensorView& tensor, DType to) const {
  return tensor.dtype == to && !needs_row_permutation(checkpoint_.config(), tensor.name);
}

void TensorWriter::write(const TensorView& tensor, DType to, const float* importance, FourBitScale scale) {
  if (stays(tensor, to)) return copy(tensor);
  const uint64_t cols = tensor.cols();
  if (dtype_info(to).layout != Layout::planes) {
    write_rows(tensor, row_bytes(to, cols), [&](uint64_t, const float* values, std::byte* out) {
      quantize_row(to, values, out, cols, importance, scale);
    });
    return;
  }
  DoubleQuantizer quantizer(to, tensor.elements(), scale);
  write_rows(tensor, cols / 2, [&](uint64_t row, const float* values, std::byte* out) {
    quantizer.add(row * cols, values, cols, out, importance);
  });
  writer_.write(quantizer.finish());
}

void TensorWriter::write_hqq(const TensorView& tensor, DType to, const HqqOptions& options) {
  if (stays(tensor, to)) return copy(tensor);
  const uint64_t cols = tensor.cols();
  write_rows(tensor, row_bytes(to, cols), [&](uint64_t, const float* values, std::byte* out) {
    hqq_quantize_row(to, values, out, cols, options);
  });
}

void TensorWriter::copy(const TensorView& tensor) {
  for (uint64_t at = 0; at < tensor.data.size(); at += kPieceBytes) {
    const auto part = tensor.data.subspan(at, std::min<uint64_t>(kPieceBytes, tensor.data.size() - at));
    writer_.write({part.begin(), part.end()});
  }
  checkpoint_.release(tensor);
  progress_.add(tensor.elements(), tensor.name);
}

void TensorWriter::write_quantized(const TensorView& tensor, const std::vector<std::byte>& bytes) {
  const SourceRows source(checkpoint_, tensor);
  const uint64_t rows = tensor.rows(), stride = bytes.size() / rows;
  std::vector<std::byte> piece(bytes.size());
  for (uint64_t row = 0; row < rows; ++row) {
    std::memcpy(&piece[row * stride], &bytes[source.source_row(row) * stride], stride);
  }
  writer_.write(std::move(piece));
  checkpoint_.release(tensor);
  progress_.add(tensor.elements(), tensor.name);
}

void TensorWriter::write_values(std::span<const float> values) {
  const auto bytes = std::as_bytes(values);
  writer_.write({bytes.begin(), bytes.end()});
}

}  // namespace nibble
