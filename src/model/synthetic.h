#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "formats/gguf.h"
#include "model/model_config.h"

/// Models of random weights in the shape of real ones, for benchmarks: speed and memory depend on shape
/// and type alone.
namespace nibble {

/// The shape of a published model: "llama2-7b". Throws Error that lists the names there are.
ModelConfig synthetic_shape(const std::string& name);
std::vector<std::string> synthetic_shape_names();

/// The type of a tensor, given its name and shape.
using TypeOfTensor = std::function<DType(const TensorView& tensor)>;

/// Writes a GGUF file of that configuration. Norms are 1. Matrices have a mean near 0 and a standard
/// deviation of 1 / sqrt(columns), so that activations keep their size from layer to layer; the values of
/// quantized types are drawn as random codes, with scales near one middle. The same seed gives the same
/// file, with any number of threads. `metadata` is what the file carries beside the configuration.
void write_synthetic(const std::filesystem::path& path, const ModelConfig& config,
                     const TypeOfTensor& type_of, uint64_t seed, GgufMetadata metadata, ThreadPool& pool);

}  // namespace nibble
