#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "runtime/memory_plan.h"

/// What `nibble inspect` finds and how it shows it.
namespace nibble {

/// The context that the engine takes when none is asked for.
inline constexpr uint32_t kDefaultContext = 4096;

struct TypeSummary {
  DType dtype;
  uint64_t tensors = 0, parameters = 0, bytes = 0;
  std::string kernel;  ///< that multiplies with it here; empty where there are only vectors of the type
  double bits_per_weight() const { return 8.0 * double(bytes) / double(parameters); }
};

struct InspectReport {
  std::vector<TypeSummary> types;  ///< the largest first
  std::string tokenizer;           ///< "gpt2 (smollm), 49152 tokens", or empty
  bool chat_template = false;
  uint32_t context = 0;
  KvType kv_type = KvType::f16;
  MemoryPlan memory;
};

InspectReport inspect(const Checkpoint& checkpoint, uint32_t context, KvType kv_type);
/// The metadata that nibble writes of itself (nibble.*).
nlohmann::ordered_json own_metadata(const Checkpoint& checkpoint);
nlohmann::ordered_json inspect_json(const InspectReport& report, const Checkpoint& checkpoint, bool tensors);
void print_inspect(const InspectReport& report, const Checkpoint& checkpoint, bool tensors);

}  // namespace nibble
