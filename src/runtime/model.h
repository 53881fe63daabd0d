#pragma once

#include <memory>
#include <vector>

#include "base/thread_pool.h"
#include "model/checkpoint.h"
#include "runtime/layer_weights.h"
#include "runtime/packed_weights.h"

namespace nibble {

/// A model whose weights are packed and ready to run. Immutable, so sessions share it.
class Model {
 public:
  /// Packs every matrix for its kernel and gives the pages of what was copied back to the system. The
  /// checkpoint has checked names and shapes.
  static std::shared_ptr<const Model> load(std::shared_ptr<const Checkpoint> checkpoint, ThreadPool& pool);

  const ModelConfig& config() const { return checkpoint_->config(); }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  /// Bytes of weights that running the model reads: mapped ones, and packed ones that are owned.
  uint64_t weight_bytes() const { return weight_bytes_; }

  /// The row [hidden] of the embedding [vocab, hidden] for a token, read from the file.
  void embed(size_t token, float* out) const;
  /// Gives back the embedding's pages: around each row that embed() reads the system maps up to 64 KB of the
  /// file, which the plan of the memory has not.
  void release_embedding() const { checkpoint_->release(*embedding_); }
  const std::vector<LayerWeights>& layers() const { return layers_; }
  const std::vector<float>& output_norm() const { return output_norm_; }  // [hidden]
  const Linear& output() const { return output_; }  // [vocab, hidden]; the embedding when they are tied

 private:
  std::shared_ptr<const Checkpoint> checkpoint_;
  PackedWeights packed_;  // what the matrices of the layers refer to
  const TensorView* embedding_ = nullptr;
  std::vector<LayerWeights> layers_;
  std::vector<float> output_norm_;
  Linear output_;
  uint64_t weight_bytes_ = 0;
};

}  // namespace nibble
