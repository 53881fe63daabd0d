#include "calibrate/tensor_types.h"

#include "base/error.h"

namespace nibble {

namespace {

constexpr double kErrorOfZeros = 1;

bool is_near(const Fidelity& fidelity, double largest) {
  return fidelity.finite() && fidelity.relative_error() <= largest;
}

}  // namespace

bool TensorTypes::accept(const TensorView& tensor, const Fidelity& fidelity, Nearest nearest) {
  Entry& entry = entries_.at(tensor.name);
  entry.fidelity = fidelity;
  const double largest = largest_error(entry.type);
  if (is_near(fidelity, largest)) return true;
  if (is_near(fidelity, kErrorOfZeros) && is_near(nearest(), largest)) return true;
  if (entry.type == DType::F32) {
    fail("tensor {} has values that not even F32 can hold; the checkpoint is damaged, get it again",
         tensor.name);
  }
  if (!entry.promoted_from) entry.promoted_from = entry.type;
  entry.type = promoted_dtype(entry.type, tensor.cols());
  return false;
}

}  // namespace nibble
