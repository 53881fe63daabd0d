#include "calibrate/quantize_model.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "base/error.h"
#include "base/progress.h"
#include "calibrate/awq_model.h"
#include "calibrate/gptq_model.h"
#include "calibrate/smoothquant_model.h"
#include "calibrate/tensor_writer.h"
#include "model/rope_factors.h"
#include "model/tensor_names.h"

namespace nibble {

namespace {

constexpr const char* kRopeFactors = "rope_freqs.weight";

std::string method_name(const QuantizeMethod& method) {
  if (method.gptq) return "gptq";
  if (method.awq) return "awq";
  if (method.smoothquant) return "smoothquant";
  if (method.autoround) return "autoround";
  if (method.scale == FourBitScale::learned) return "learned-scales";
  return method.hqq ? "hqq" : "rtn";
}

GgufMetadata with_recipe(GgufMetadata metadata, const Recipe& recipe, const QuantizeMethod& method) {
  if (const auto file_type = gguf_file_type(recipe)) {
    metadata.set("general.file_type", *file_type);
  } else {
    metadata.erase("general.file_type");
  }
  metadata.set("general.quantization_version", uint32_t(2));
  metadata.set("nibble.quantize.type", recipe.name);
  metadata.set("nibble.quantize.method", method_name(method));
  if (method.prune) {
    const bool wanda = method.prune->method == PruneMethod::wanda;
    metadata.set("nibble.prune.method", std::string(wanda ? "wanda" : "sparsegpt"));
    metadata.set("nibble.prune.sparsity", sparsity_name(method.prune->sparsity));
  }
  if (method.calibration != nullptr) {
    metadata.set("nibble.calibration.source", method.calibration->source);
    metadata.set("nibble.calibration.sequences", uint32_t(method.calibration->sequences.size()));
    metadata.set("nibble.calibration.tokens", method.calibration->tokens());
  }
  for (const char* split : {"split.no", "split.count", "split.tensors.count"}) metadata.erase(split);
  return metadata;
}

/// The frequency factors that GGUF wants as a tensor where Hugging Face has parameters; else empty.
std::vector<float> missing_rope_factors(const Checkpoint& checkpoint) {
  const RopeConfig& rope = checkpoint.config().rope;
  if (rope.scaling != RopeScaling::llama3 || checkpoint.find(kRopeFactors) != nullptr) return {};
  return llama3_freq_factors(rope);
}

/// When a tensor's turn comes: what lies outside the layers, the layers, the output matrix, whose input is
/// known last.
uint64_t turn_of(const Checkpoint& checkpoint, const TensorView& tensor) {
  if (tensor.name == output_tensor(checkpoint).name) return uint64_t(checkpoint.config().n_layers) + 1;
  const auto name = split_layer_name(tensor.name);
  return name ? name->layer + 1 : 0;
}

/// A model that is being written: each tensor, what it becomes, and where.
struct Job {
  const Checkpoint& checkpoint;
  const QuantizeMethod& method;
  std::vector<const TensorView*> tensors;  ///< in the order of the file
  std::map<std::string, DType> types;
  ThreadPool& pool;

  void write_plain(const TensorView& tensor, TensorWriter& writer) const {
    const DType to = types.at(tensor.name);
    if (method.hqq && has_hqq(to)) return writer.write_hqq(tensor, to, *method.hqq);
    const Importance* importance = method.importance;
    const auto weights = importance ? importance->find(tensor.name) : Importance::const_iterator();
    const bool weighted = importance && weights != importance->end();
    writer.write(tensor, to, weighted ? weights->second.data() : nullptr, method.scale);
  }
};

/// Writes what a Model makes of the layers, one by one, and of the output matrix; the other tensors plainly.
template <typename Model, typename Options>
void write_by_layer(const Job& job, const Options& options, TensorWriter& writer) {
  const auto type_of = [&](const TensorView& tensor) { return job.types.at(tensor.name); };
  Model model(job.checkpoint, *job.method.calibration, type_of, options, job.pool);
  const uint64_t last = uint64_t(job.checkpoint.config().n_layers) + 1;
  uint64_t turn = 0;
  LayerTensors quantized;
  for (const TensorView* tensor : job.tensors) {
    for (; turn < turn_of(job.checkpoint, *tensor); ++turn) {
      if (turn + 1 < last) quantized = model.next_layer();
      if (turn + 1 == last) quantized[tensor->name] = model.output();
    }
    const auto bytes = quantized.find(tensor->name);
    if (bytes != quantized.end() && !bytes->second.empty()) {
      writer.write_quantized(*tensor, bytes->second);
    } else {
      job.write_plain(*tensor, writer);
    }
  }
}

/// Decides every tensor before anything is written.
QuantizeSummary plan_tensors(const std::vector<const TensorView*>& tensors, const ModelConfig& config,
                             const Recipe& recipe, const QuantizeMethod& method) {
  QuantizeSummary summary;
  for (const TensorView* tensor : tensors) {
    RecipeChoice choice = recipe_choice(recipe, config, *tensor);
    if (method.prune) choice = pruned_choice(*tensor, choice, method.prune->sparsity);
    const auto bytes = tensor_bytes(choice.dtype, tensor->rows(), tensor->cols());
    if (!bytes)
      fail("tensor {} has rows of {} values, which {} can't hold", tensor->name, tensor->cols(),
           dtype_name(choice.dtype));
    summary.tensors.push_back(
        {tensor->name, tensor->dtype, choice.dtype, choice.fallback, tensor->elements(), *bytes});
    summary.parameters += tensor->elements();
  }
  return summary;
}

/// The order in which the tensors are written: the checkpoint's, or that in which methods that calibrate come
/// to them.
std::vector<const TensorView*> file_order(const Checkpoint& checkpoint, bool by_turn) {
  std::vector<const TensorView*> tensors;
  for (const TensorView& tensor : checkpoint.tensors()) tensors.push_back(&tensor);
  if (by_turn) {
    std::stable_sort(tensors.begin(), tensors.end(), [&](const TensorView* a, const TensorView* b) {
      return turn_of(checkpoint, *a) < turn_of(checkpoint, *b);
    });
  }
  return tensors;
}

void check_importance(const Checkpoint& checkpoint, const Importance& importance) {
  bool known = importance.empty();
  for (const auto& [name, weights] : importance) {
    const TensorView* tensor = checkpoint.find(name);
    if (tensor == nullptr) continue;
    known = true;
    if (tensor->cols() == weights.size()) continue;
    fail("the importance matrix has {} values for {}, whose rows have {}: it was made for another model",
         weights.size(), name, tensor->cols());
  }
  if (!known) fail("the importance matrix names no tensor of this model: it was made for another one");
}

}  // namespace

QuantizeSummary quantize_model(const Checkpoint& checkpoint, const Recipe& recipe,
                               const QuantizeMethod& method, GgufMetadata metadata,
                               const std::filesystem::path& output, ThreadPool& pool) {
  const auto start = std::chrono::steady_clock::now();
  if (method.importance != nullptr) check_importance(checkpoint, *method.importance);
  const bool by_layers = method.gptq || method.awq || method.smoothquant || method.autoround || method.prune;
  Job job{checkpoint, method, file_order(checkpoint, by_layers), {}, pool};
  QuantizeSummary summary = plan_tensors(job.tensors, checkpoint.config(), recipe, method);
  std::vector<GgufWriter::Tensor> declared;
  for (size_t i = 0; i < summary.tensors.size(); ++i) {
    declared.push_back({summary.tensors[i].name, summary.tensors[i].to, job.tensors[i]->shape});
    job.types[summary.tensors[i].name] = summary.tensors[i].to;
  }
  const std::vector<float> rope_factors = missing_rope_factors(checkpoint);
  if (!rope_factors.empty()) declared.push_back({kRopeFactors, DType::F32, {rope_factors.size()}});
  GgufWriter file(output, with_recipe(std::move(metadata), recipe, method), std::move(declared));
  {
    Progress progress("quantize to " + recipe.name, summary.parameters, "weights");
    TensorWriter writer(checkpoint, file, progress, pool);
    if (method.gptq) {
      write_by_layer<GptqModel>(job, *method.gptq, writer);
    } else if (method.awq) {
      write_by_layer<AwqModel>(job, *method.awq, writer);
    } else if (method.smoothquant) {
      write_by_layer<SmoothQuantModel>(job, *method.smoothquant, writer);
    } else if (method.prune) {
      write_by_layer<PruneModel>(job, *method.prune, writer);
    } else if (method.autoround) {
      write_by_layer<AutoroundModel>(job, *method.autoround, writer);
    } else {
      for (const TensorView* tensor : job.tensors) job.write_plain(*tensor, writer);
    }
    if (!rope_factors.empty()) writer.write_values(rope_factors);
    writer.wait();
  }
  file.finish();
  summary.file_bytes = std::filesystem::file_size(output);
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

}  // namespace nibble
