#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "optimize/optimizer.h"

namespace nibble {

/// The user's bounds as those of a plan: predictions that measurements correct.
class PlanBounds {
 public:
  /// `rest_bytes`: of the file, beside the matrices; `rest_memory`: of the process.
  PlanBounds(const OptimizeRequest& request, uint64_t rest_bytes, uint64_t rest_memory);

  Bounds bounds() const;
  /// Learns from a plan that was built and measured. Returns the bound that it breaks, or an empty string.
  std::string learn(const Plan& plan, const Measured& measured);
  /// Whether a smaller plan may still keep to the bound of loss: the last one left a good part of it.
  bool has_room() const { return has_room_; }

  /// What is in the way when no plan keeps to all bounds, and the nearest ones that work.
  std::string explain(const Choices& choices) const;

  uint64_t file_bytes(const Plan& plan) const { return plan.bytes + rest_bytes_; }
  double predicted_loss(const Plan& plan) const { return plan.loss * loss_scale_; }

 private:
  void learn_loss(const Plan& plan, const MeasuredLoss& loss);

  const OptimizeRequest& request_;
  uint64_t rest_bytes_, rest_memory_;
  double seconds_scale_ = 1;  ///< of predicted seconds: caches may make a model faster than its matrices
  double rest_seconds_ = 0;   ///< beside the matrices
  double loss_scale_;         ///< of the metric, by predicted KL divergence
  double most_good_ = 0;      ///< the largest predicted loss whose measurement kept to the bound
  std::optional<double> least_bad_;  ///< the smallest whose measurement broke it
  int bad_ = 0;                      ///< measurements that broke it, none having kept to it
  bool has_room_ = false;
};

}  // namespace nibble
