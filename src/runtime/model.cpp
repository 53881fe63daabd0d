#include "runtime/model.h"

#include <fmt/format.h>

#include <string>

#include "tensor/dequantize.h"

namespace nibble {

/// Fills a Model from its checkpoint, tensor by tensor.
class ModelLoader {
 public:
  ModelLoader(Model& model, ThreadPool& pool) : model_(model), checkpoint_(*model.checkpoint_), pool_(pool) {}

  void load() {
    const ModelConfig& config = checkpoint_.config();
    model_.packed_ = PackedWeights::load(checkpoint_, pool_);
    model_.embedding_ = &checkpoint_.get("token_embd.weight");
    model_.layers_.reserve(config.n_layers);
    for (uint32_t i = 0; i < config.n_layers; ++i)
      model_.layers_.push_back(load_layer(fmt::format("blk.{}.", i)));
    model_.output_norm_ = vector("output_norm.weight");
    model_.output_ = matrix(config.tied_embeddings ? "token_embd.weight" : "output.weight");
    model_.weight_bytes_ += model_.packed_.bytes();
    checkpoint_.release_all();
  }

 private:
  LayerWeights load_layer(const std::string& layer) {
    LayerWeights w;
    w.attention_norm = vector(layer + "attn_norm.weight");
    w.q = matrix(layer + "attn_q.weight");
    w.k = matrix(layer + "attn_k.weight");
    w.v = matrix(layer + "attn_v.weight");
    w.q_bias = optional_vector(layer + "attn_q.bias");
    w.k_bias = optional_vector(layer + "attn_k.bias");
    w.v_bias = optional_vector(layer + "attn_v.bias");
    w.q_norm = optional_vector(layer + "attn_q_norm.weight");
    w.k_norm = optional_vector(layer + "attn_k_norm.weight");
    w.attention_output = matrix(layer + "attn_output.weight");
    w.output_bias = optional_vector(layer + "attn_output.bias");
    w.ffn_norm = vector(layer + "ffn_norm.weight");
    w.gate = matrix(layer + "ffn_gate.weight");
    w.up = matrix(layer + "ffn_up.weight");
    w.down = matrix(layer + "ffn_down.weight");
    return w;
  }

  Linear matrix(const std::string& name) const { return model_.packed_.matrix(checkpoint_.get(name)); }

  std::vector<float> vector(const std::string& name) {
    const TensorView& tensor = checkpoint_.get(name);
    std::vector<float> values(tensor.elements());
    dequantize_rows(tensor, 0, 1, values.data());
    model_.weight_bytes_ += values.size() * sizeof(float);
    return values;
  }

  std::vector<float> optional_vector(const std::string& name) {
    return checkpoint_.find(name) ? vector(name) : std::vector<float>();
  }

  Model& model_;
  const Checkpoint& checkpoint_;
  ThreadPool& pool_;
};

std::shared_ptr<const Model> Model::load(std::shared_ptr<const Checkpoint> checkpoint, ThreadPool& pool) {
  const auto model = std::make_shared<Model>();
  model->checkpoint_ = std::move(checkpoint);
  ModelLoader(*model, pool).load();
  return model;
}

void Model::embed(size_t token, float* out) const {
  dequantize_rows(*embedding_, token, 1, out);
}

}  // namespace nibble
