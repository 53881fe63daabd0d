#include "model/synthetic.h"

#include <cmath>

#include "base/error.h"
#include "base/progress.h"
#include "model/gguf_config.h"
#include "model/synthetic_fill.h"
#include "model/tensor_names.h"

namespace nibble {

namespace {

constexpr double kBiasSigma = 0.1;

std::vector<TensorView> tensors_of(const ModelConfig& config) {
  std::vector<TensorView> tensors;
  const auto add = [&](const ExpectedTensor& e) { tensors.push_back({e.name, DType::F32, e.shape, {}}); };
  for (const ExpectedTensor& e : expected_model_tensors(config)) add(e);
  for (uint32_t layer = 0; layer < config.n_layers; ++layer) {
    for (const ExpectedTensor& e : expected_layer_tensors(config, layer)) add(e);
  }
  if (!config.rope.freq_factors.empty()) add({"rope_freqs.weight", {config.rope.freq_factors.size()}});
  return tensors;
}

/// Pieces are made by all threads at once, a few for each, and written in order.
void write_random(GgufWriter& writer, const TensorView& tensor, uint64_t seed, ThreadPool& pool,
                  Progress& progress) {
  const bool is_bias = tensor.shape.size() == 1;
  const double sigma = is_bias ? kBiasSigma : 1 / std::sqrt(double(tensor.cols()));
  const SyntheticFill fill(tensor.dtype, sigma, tensor.elements(), tensor.cols());
  const uint64_t at_once = 4 * uint64_t(pool.size());
  for (uint64_t first = 0; first < fill.pieces(); first += at_once) {
    std::vector<std::vector<std::byte>> pieces(size_t(std::min(at_once, fill.pieces() - first)));
    pool.parallel_for(pieces.size(), 1, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) pieces[i] = fill.piece(first + i, seed);
    });
    for (const auto& piece : pieces) {
      writer.write(piece);
      progress.add(piece.size());
    }
  }
}

}  // namespace

void write_synthetic(const std::filesystem::path& path, const ModelConfig& config,
                     const TypeOfTensor& type_of, uint64_t seed, GgufMetadata metadata, ThreadPool& pool) {
  write_config(config, metadata);
  metadata.set("nibble.synthetic.seed", seed);
  // Without one llama.cpp refuses the file.
  if (!metadata.contains("tokenizer.ggml.model")) metadata.set("tokenizer.ggml.model", std::string("none"));
  std::vector<TensorView> tensors = tensors_of(config);
  std::vector<GgufWriter::Tensor> declared;
  uint64_t total = 0;
  for (TensorView& tensor : tensors) {
    if (tensor.shape.size() > 1) tensor.dtype = type_of(tensor);
    const auto bytes = tensor_bytes(tensor.dtype, tensor.rows(), tensor.cols());
    if (!bytes) {
      fail("tensor {} has rows of {} values, which {} can't hold", tensor.name, tensor.cols(),
           dtype_name(tensor.dtype));
    }
    total += *bytes;
    declared.push_back({tensor.name, tensor.dtype, tensor.shape});
  }
  GgufWriter writer(path, metadata, std::move(declared));
  Progress progress("Writing " + path.filename().string(), total, "bytes");
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorView& tensor = tensors[i];
    if (tensor.name == "rope_freqs.weight") {
      writer.write(std::as_bytes(std::span(config.rope.freq_factors)));
    } else if (tensor.name.ends_with("norm.weight")) {
      const std::vector<float> ones(tensor.elements(), 1.0f);
      writer.write(std::as_bytes(std::span(ones)));
    } else {
      write_random(writer, tensor, seed + i, pool, progress);
    }
  }
  progress.finish();
  writer.finish();
}

}  // namespace nibble
