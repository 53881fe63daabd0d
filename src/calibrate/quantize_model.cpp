#include "calibrate/quantize_model.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <future>
#include <optional>

#include "base/error.h"
#include "base/progress.h"
#include "model/rope_factors.h"
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

constexpr const char* kRopeFactors = "rope_freqs.weight";

/// Rows of a source tensor in the order in which GGUF holds them.
class SourceRows {
 public:
  SourceRows(const Checkpoint& checkpoint, const TensorView& tensor)
      : checkpoint_(checkpoint),
        tensor_(tensor),
        permuted_(needs_row_permutation(checkpoint.config(), tensor.name)) {}

  /// float32 [cols]. Throws Error on a value that is not finite.
  void read(uint64_t row, float* out) const {
    const bool vector = tensor_.shape.size() < 2;
    if (!read_finite(permuted_ && !vector ? source_index(row) : row, out)) {
      fail("{}: tensor {} holds a NaN or an infinity in row {}; the checkpoint is damaged, get it again",
           checkpoint_.path().string(), tensor_.name, row);
    }
    if (permuted_ && vector) permute(out);
  }

  /// Gives back the pages of rows that were read for the last time.
  void release(uint64_t first, uint64_t count) const {
    if (permuted_ || dtype_info(tensor_.dtype).layout == Layout::planes) return;
    const uint64_t stride = row_bytes(tensor_.dtype, tensor_.cols());
    TensorView part = tensor_;
    part.data = tensor_.data.subspan(first * stride, count * stride);
    checkpoint_.release(part);
  }

 private:
  /// False when a value is not finite.
  bool read_finite(uint64_t row, float* out) const {
    const DType dtype = tensor_.dtype;
    const uint64_t cols = tensor_.cols();
    if (dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16) {
      return expand_finite(dtype, tensor_.data.data() + row * row_bytes(dtype, cols), out, cols);
    }
    dequantize_rows(tensor_, row, 1, out);
    return all_finite(out, cols);
  }
  uint64_t source_index(uint64_t index) const {
    return hf_row_of(index, checkpoint_.config().head_dim, checkpoint_.config().rope.dims);
  }
  void permute(float* bias) const {
    const std::vector<float> source(bias, bias + tensor_.cols());
    for (uint64_t i = 0; i < source.size(); ++i) bias[i] = source[source_index(i)];
  }

  const Checkpoint& checkpoint_;
  const TensorView& tensor_;
  bool permuted_;
};

/// Appends pieces to the file while the next ones are made.
class BackgroundWriter {
 public:
  explicit BackgroundWriter(GgufWriter& writer) : writer_(writer) {}
  ~BackgroundWriter() {
    if (pending_.valid()) pending_.wait();
  }

  void write(std::vector<std::byte> piece) {
    wait();
    piece_ = std::move(piece);
    pending_ = std::async(std::launch::async, [this] { writer_.write(piece_); });
  }
  void wait() {
    if (pending_.valid()) pending_.get();
  }

 private:
  GgufWriter& writer_;
  std::vector<std::byte> piece_;
  std::future<void> pending_;
};

struct Work {
  const Checkpoint& checkpoint;
  ThreadPool& pool;
  BackgroundWriter& writer;
  Progress& progress;
};

/// Rows that a thread takes at a time: a few, so that the threads end a piece together.
uint64_t grain_of(uint64_t rows, int threads) {
  return std::max<uint64_t>(1, rows / uint64_t(8 * threads));
}

/// Makes the bytes of one row: (row, its values, where they go).
using RowFunction = std::function<void(uint64_t row, const float* values, std::byte* out)>;

/// Reads a tensor piece by piece, has threads make its rows of `stride` bytes, and appends them.
void write_rows(const Work& work, const TensorView& tensor, uint64_t stride, const RowFunction& make_row) {
  const SourceRows source(work.checkpoint, tensor);
  const uint64_t cols = tensor.cols(), rows = tensor.rows();
  const uint64_t piece_rows = std::max<uint64_t>(1, kPieceBytes / (4 * cols));
  for (uint64_t first = 0; first < rows; first += piece_rows) {
    const uint64_t count = std::min(piece_rows, rows - first);
    std::vector<std::byte> piece(count * stride);
    work.pool.parallel_for(count, grain_of(count, work.pool.size()), [&](size_t begin, size_t end) {
      std::vector<float> values(cols);
      for (size_t row = begin; row < end; ++row) {
        source.read(first + row, values.data());
        make_row(first + row, values.data(), piece.data() + row * stride);
      }
    });
    source.release(first, count);
    work.writer.write(std::move(piece));
    work.progress.add(count * cols, tensor.name);
  }
  work.checkpoint.release(tensor);
}

void write_tensor(const Work& work, const TensorView& tensor, DType to) {
  const uint64_t cols = tensor.cols();
  if (dtype_info(to).layout != Layout::planes) {
    write_rows(work, tensor, row_bytes(to, cols),
               [&](uint64_t, const float* values, std::byte* out) { quantize_row(to, values, out, cols); });
    return;
  }
  DoubleQuantizer quantizer(to, tensor.elements());
  write_rows(work, tensor, cols / 2, [&](uint64_t row, const float* values, std::byte* out) {
    quantizer.add(row * cols, values, cols, out);
  });
  work.writer.write(quantizer.finish());
}

/// A tensor whose type and row order stay is copied, so that nothing is lost by a second rounding.
bool copies(const Checkpoint& checkpoint, const TensorView& tensor, DType to) {
  return tensor.dtype == to && !needs_row_permutation(checkpoint.config(), tensor.name);
}

void copy_tensor(const Work& work, const TensorView& tensor) {
  for (uint64_t at = 0; at < tensor.data.size(); at += kPieceBytes) {
    const auto part = tensor.data.subspan(at, std::min<uint64_t>(kPieceBytes, tensor.data.size() - at));
    work.writer.write({part.begin(), part.end()});
  }
  work.checkpoint.release(tensor);
  work.progress.add(tensor.elements(), tensor.name);
}

GgufMetadata with_recipe(GgufMetadata metadata, const Recipe& recipe) {
  if (const auto file_type = gguf_file_type(recipe)) {
    metadata.set("general.file_type", *file_type);
  } else {
    metadata.erase("general.file_type");
  }
  metadata.set("general.quantization_version", uint32_t(2));
  metadata.set("nibble.quantize.type", recipe.name);
  metadata.set("nibble.quantize.method", std::string("rtn"));
  for (const char* split : {"split.no", "split.count", "split.tensors.count"}) metadata.erase(split);
  return metadata;
}

/// The frequency factors that GGUF wants as a tensor where Hugging Face has parameters; else empty.
std::vector<float> missing_rope_factors(const Checkpoint& checkpoint) {
  const RopeConfig& rope = checkpoint.config().rope;
  if (rope.scaling != RopeScaling::llama3 || checkpoint.find(kRopeFactors) != nullptr) return {};
  return llama3_freq_factors(rope);
}

/// Decides every tensor before anything is written.
QuantizeSummary plan_tensors(const Checkpoint& checkpoint, const Recipe& recipe) {
  QuantizeSummary summary;
  for (const TensorView& tensor : checkpoint.tensors()) {
    const RecipeChoice choice = recipe_choice(recipe, checkpoint.config(), tensor);
    const auto bytes = tensor_bytes(choice.dtype, tensor.rows(), tensor.cols());
    if (!bytes)
      fail("tensor {} has rows of {} values, which {} can't hold", tensor.name, tensor.cols(),
           dtype_name(choice.dtype));
    summary.tensors.push_back(
        {tensor.name, tensor.dtype, choice.dtype, choice.fallback, tensor.elements(), *bytes});
    summary.parameters += tensor.elements();
  }
  return summary;
}

}  // namespace

QuantizeSummary quantize_model(const Checkpoint& checkpoint, const Recipe& recipe, GgufMetadata metadata,
                               const std::filesystem::path& output, ThreadPool& pool) {
  const auto start = std::chrono::steady_clock::now();
  QuantizeSummary summary = plan_tensors(checkpoint, recipe);
  std::vector<GgufWriter::Tensor> declared;
  for (size_t i = 0; i < summary.tensors.size(); ++i) {
    declared.push_back({summary.tensors[i].name, summary.tensors[i].to, checkpoint.tensors()[i].shape});
  }
  const std::vector<float> rope_factors = missing_rope_factors(checkpoint);
  if (!rope_factors.empty()) declared.push_back({kRopeFactors, DType::F32, {rope_factors.size()}});
  GgufWriter file(output, with_recipe(std::move(metadata), recipe), std::move(declared));
  {
    BackgroundWriter writer(file);
    Progress progress("quantize to " + recipe.name, summary.parameters, "weights");
    const Work work{checkpoint, pool, writer, progress};
    for (size_t i = 0; i < summary.tensors.size(); ++i) {
      const TensorView& tensor = checkpoint.tensors()[i];
      const DType to = summary.tensors[i].to;
      if (copies(checkpoint, tensor, to)) {
        copy_tensor(work, tensor);
      } else {
        write_tensor(work, tensor, to);
      }
    }
    const auto factors = std::as_bytes(std::span(rope_factors));
    if (!factors.empty()) writer.write({factors.begin(), factors.end()});
    writer.wait();
  }
  file.finish();
  summary.file_bytes = std::filesystem::file_size(output);
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

}  // namespace nibble
