#include "runtime/model.h"

#include <utility>

#include "tensor/dequantize.h"

namespace nibble {

namespace {

uint64_t vector_bytes(const LayerWeights& w) {
  uint64_t elements = 0;
  for (const auto* vector : {&w.attention_norm, &w.q_bias, &w.k_bias, &w.v_bias, &w.output_bias, &w.q_norm,
                             &w.k_norm, &w.ffn_norm}) {
    elements += vector->size();
  }
  return elements * sizeof(float);
}

}  // namespace

std::shared_ptr<const Model> Model::load(std::shared_ptr<const Checkpoint> checkpoint, ThreadPool& pool) {
  const auto model = std::make_shared<Model>();
  const Checkpoint& source = *checkpoint;
  const ModelConfig& config = source.config();
  model->packed_ = PackedWeights::load(source, pool);
  const auto matrix = [&](const TensorView& tensor) { return model->packed_.matrix(tensor); };
  model->embedding_ = &source.get("token_embd.weight");
  model->layers_.reserve(config.n_layers);
  for (uint32_t i = 0; i < config.n_layers; ++i) model->layers_.push_back(load_layer(source, i, matrix));
  model->output_norm_ = load_vector(source, "output_norm.weight");
  model->output_ = matrix(output_tensor(source));
  model->weight_bytes_ = model->packed_.bytes() + model->output_norm_.size() * sizeof(float);
  for (const LayerWeights& layer : model->layers_) model->weight_bytes_ += vector_bytes(layer);
  source.release_all();
  model->checkpoint_ = std::move(checkpoint);
  return model;
}

void Model::embed(size_t token, float* out) const {
  dequantize_rows(*embedding_, token, 1, out);
}

}  // namespace nibble
