#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "quantize/fidelity.h"
#include "tensor/tensor_view.h"

namespace nibble {

/// The type that each tensor of a model is written as, and what the check of what was written found.
class TensorTypes {
 public:
  struct Entry {
    DType type = DType::F32;
    std::optional<DType> promoted_from;  ///< the recipe's type, which could not hold the tensor
    Fidelity fidelity;
    bool pruned = false;  ///< zeros are to stay zeros: promoted only to types that have them (keeps_zeros)
  };

  void set(const std::string& name, const Entry& entry) { entries_[name] = entry; }
  const Entry& entry(const std::string& name) const { return entries_.at(name); }
  DType operator()(const TensorView& tensor) const { return entry(tensor.name).type; }

  /// What rounding to nearest in the tensor's type gives.
  using Nearest = FunctionRef<Fidelity()>;

  /// True when the tensor in its type is near enough to what it stands for (largest_error). Methods that
  /// choose codes for a layer's outputs, or for some columns more than for others, may lose more, up to what
  /// zeros would, as long as the type can hold the tensor: `nearest` is asked then. Else the tensor gets the
  /// next wider type (promoted_dtype) and is to be made anew. Throws Error naming the tensor when there is
  /// none.
  bool accept(const TensorView& tensor, const Fidelity& fidelity, Nearest nearest);

  /// The entries of these tensors as a saved run has them, and taken up again. Throws on what is no such
  /// thing.
  nlohmann::json save(std::span<const TensorView* const> tensors) const;
  void restore(const nlohmann::json& saved);

 private:
  std::map<std::string, Entry> entries_;
};

}  // namespace nibble
