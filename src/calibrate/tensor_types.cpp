#include "calibrate/tensor_types.h"

#include <array>

#include "base/error.h"
#include "quantize/prune.h"

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
  do {
    entry.type = promoted_dtype(entry.type, tensor.cols());
  } while (entry.pruned && !keeps_zeros(entry.type));
  return false;
}

nlohmann::json TensorTypes::save(std::span<const TensorView* const> tensors) const {
  nlohmann::json saved = nlohmann::json::array();
  for (const TensorView* tensor : tensors) {
    const Entry& of = entry(tensor->name);
    const Fidelity& f = of.fidelity;
    saved.push_back({{"name", tensor->name},
                     {"type", dtype_name(of.type)},
                     {"promoted_from", of.promoted_from ? dtype_name(*of.promoted_from) : ""},
                     {"fidelity", {f.source, f.written, f.product, f.error}}});
  }
  return saved;
}

void TensorTypes::restore(const nlohmann::json& saved) {
  for (const nlohmann::json& tensor : saved) {
    Entry& entry = entries_.at(tensor.at("name").get<std::string>());
    entry.type = dtype_from_name(tensor.at("type").get<std::string>()).value();
    entry.promoted_from = dtype_from_name(tensor.at("promoted_from").get<std::string>());
    const auto sums = tensor.at("fidelity").get<std::array<double, 4>>();
    entry.fidelity = {sums[0], sums[1], sums[2], sums[3]};
  }
}

}  // namespace nibble
