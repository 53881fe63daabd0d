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

bool TensorWriter::stays(const TensorView& tensor) const {
  return tensor.dtype == types_(tensor) && !needs_row_permutation(checkpoint_.config(), tensor.name);
}

void TensorWriter::write(const TensorView& tensor, const float* importance, FourBitScale scale) {
  const uint64_t cols = tensor.cols();
  const auto make_row = [&](DType to, const float* values, std::byte* out) {
    quantize_row(to, values, out, cols, importance, scale);
  };
  write_checked(tensor, make_row, {importance, scale});
}

void TensorWriter::write_hqq(const TensorView& tensor, const HqqOptions& options) {
  const uint64_t cols = tensor.cols();
  const auto make_row = [&](DType to, const float* values, std::byte* out) {
    has_hqq(to) ? hqq_quantize_row(to, values, out, cols, options) : quantize_row(to, values, out, cols);
  };
  write_checked(tensor, make_row, {});
}

void TensorWriter::write_checked(const TensorView& tensor, const RowFunction& make_row,
                                 const Rounding& of_planes) {
  const auto take = [&](std::vector<std::byte> piece, uint64_t values) {
    writer_.write(std::move(piece));
    if (progress_ != nullptr) progress_->add(values, tensor.name);
  };
  const auto nearest_row = [&](DType to, const float* values, std::byte* out) {
    quantize_row(to, values, out, tensor.cols());
  };
  for (;;) {
    writer_.file().set_type(types_(tensor));
    const bool planes = dtype_info(types_(tensor)).layout == Layout::planes;
    const Fidelity fidelity = stays(tensor) ? copy(tensor)
                              : planes      ? make_planes(tensor, of_planes, take)
                                            : make_blocks(tensor, make_row, take);
    const auto nearest = [&] {
      const Taker leave = [](std::vector<std::byte>, uint64_t) {};
      return planes ? make_planes(tensor, {}, leave) : make_blocks(tensor, nearest_row, leave);
    };
    if (types_.accept(tensor, fidelity, nearest)) break;
    writer_.file().go_back();
    if (progress_ != nullptr) progress_->take_back(tensor.elements());
  }
  checkpoint_.release(tensor);
}

/// Reads a tensor piece by piece, has threads make its rows of `stride` bytes, and has the pieces taken.
Fidelity TensorWriter::make_rows(const TensorView& tensor, uint64_t stride, const PieceFunction& make_row,
                                 const Taker& take) {
  const SourceRows source(checkpoint_, tensor);
  const uint64_t cols = tensor.cols(), rows = tensor.rows();
  const uint64_t piece_rows = std::max<uint64_t>(1, kPieceBytes / (4 * cols));
  Fidelity total;
  for (uint64_t first = 0; first < rows; first += piece_rows) {
    const uint64_t count = std::min(piece_rows, rows - first);
    std::vector<std::byte> piece(count * stride);
    std::vector<Fidelity> of_rows(count);
    pool_.parallel_for(count, grain_of(count, pool_.size()), [&](size_t begin, size_t end) {
      std::vector<float> values(cols);
      for (size_t row = begin; row < end; ++row) {
        source.read(first + row, values.data());
        of_rows[row] = make_row(first + row, values.data(), piece.data() + row * stride);
      }
    });
    for (const Fidelity& row : of_rows) total.add(row);
    source.release(first, count);
    take(std::move(piece), count * cols);
  }
  return total;
}

Fidelity TensorWriter::make_blocks(const TensorView& tensor, const RowFunction& make_row, const Taker& take) {
  const DType to = types_(tensor);
  const uint64_t cols = tensor.cols();
  const auto make = [&](uint64_t, const float* values, std::byte* out) {
    thread_local std::vector<float> back;
    back.resize(cols);
    make_row(to, values, out);
    dequantize_row(to, out, back.data(), cols);
    Fidelity fidelity;
    fidelity.add(values, back.data(), cols);
    return fidelity;
  };
  return make_rows(tensor, row_bytes(to, cols), make, take);
}

/// Values are known only with the scales of all blocks: the tensor is made in memory, and then compared.
Fidelity TensorWriter::make_planes(const TensorView& tensor, const Rounding& rounding, const Taker& take) {
  const DType to = types_(tensor);
  const uint64_t cols = tensor.cols();
  DoubleQuantizer quantizer(to, tensor.elements(), rounding.scale);
  std::vector<std::byte> bytes;
  bytes.reserve(tensor_bytes(to, tensor.rows(), cols).value());
  const auto keep = [&](std::vector<std::byte> piece, uint64_t values) {
    bytes.insert(bytes.end(), piece.begin(), piece.end());
    take(std::move(piece), values);
  };
  const auto make = [&](uint64_t row, const float* values, std::byte* out) {
    quantizer.add(row * cols, values, cols, out, rounding.importance);
    return Fidelity();
  };
  make_rows(tensor, cols / 2, make, keep);
  keep(quantizer.finish(), 0);
  const SourceRows source(checkpoint_, tensor);
  const auto expected = [&](uint64_t row, float* w) { source.read(row, w); };
  return measure_fidelity({tensor.name, to, tensor.shape, bytes}, expected, pool_);
}

/// Throws Error where a value is not finite, as the other ways do.
Fidelity TensorWriter::copy(const TensorView& tensor) {
  const SourceRows source(checkpoint_, tensor);
  pool_.parallel_for(tensor.rows(), grain_of(tensor.rows(), pool_.size()), [&](size_t begin, size_t end) {
    std::vector<float> values(tensor.cols());
    for (size_t row = begin; row < end; ++row) source.read_source(row, values.data());
  });
  for (uint64_t at = 0; at < tensor.data.size(); at += kPieceBytes) {
    const auto part = tensor.data.subspan(at, std::min<uint64_t>(kPieceBytes, tensor.data.size() - at));
    writer_.write({part.begin(), part.end()});
  }
  if (progress_ != nullptr) progress_->add(tensor.elements(), tensor.name);
  return Fidelity::exact();
}

void TensorWriter::write_quantized(const TensorView& tensor, const std::vector<std::byte>& bytes) {
  const SourceRows source(checkpoint_, tensor);
  const uint64_t rows = tensor.rows(), stride = bytes.size() / rows;
  std::vector<std::byte> piece(bytes.size());
  for (uint64_t row = 0; row < rows; ++row) {
    std::memcpy(&piece[row * stride], &bytes[source.source_row(row) * stride], stride);
  }
  writer_.file().set_type(types_(tensor));
  writer_.write(std::move(piece));
  checkpoint_.release(tensor);
  if (progress_ != nullptr) progress_->add(tensor.elements(), tensor.name);
}

void TensorWriter::write_values(std::span<const float> values) {
  const auto bytes = std::as_bytes(values);
  writer_.write({bytes.begin(), bytes.end()});
}

}  // namespace nibble
