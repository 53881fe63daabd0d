#include "calibrate/quantize_model.h"

#include <algorithm>
#include <chrono>
#include <span>

#include "base/error.h"
#include "base/progress.h"
#include "calibrate/awq_model.h"
#include "calibrate/gptq_model.h"
#include "calibrate/model_state.h"
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

std::string prune_name(PruneMethod method) {
  return method == PruneMethod::wanda ? "wanda" : "sparsegpt";
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
    metadata.set("nibble.prune.method", prune_name(method.prune->method));
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
  TensorTypes types;
  ModelState state;
  ThreadPool& pool;

  void write_plain(const TensorView& tensor, TensorWriter& writer) const {
    if (method.hqq && has_hqq(types(tensor))) return writer.write_hqq(tensor, *method.hqq);
    const Importance* importance = method.importance;
    const auto weights = importance ? importance->find(tensor.name) : Importance::const_iterator();
    const bool weighted = importance && weights != importance->end();
    writer.write(tensor, weighted ? weights->second.data() : nullptr, method.scale);
  }
};

/// Writes what a Model makes of the layers, one by one, and of the output matrix; the other tensors plainly.
template <typename Model, typename Options>
void write_by_layer(Job& job, const Options& options, Progress& progress, TensorWriter& writer) {
  Model model(job.checkpoint, *job.method.calibration, job.types, options, job.pool);
  const std::vector<CalibrationRun*> runs = model.runs();
  const uint64_t last = uint64_t(job.checkpoint.config().n_layers) + 1;
  uint64_t turn = job.state.layers();
  job.state.restore(runs, job.checkpoint.config().n_layers);
  model.go_on_at(uint32_t(turn));
  LayerTensors quantized;
  const std::span<const TensorView* const> tensors(job.tensors);
  for (size_t i = job.state.tensors(); i < tensors.size(); ++i) {
    const TensorView* tensor = tensors[i];
    for (; turn < turn_of(job.checkpoint, *tensor); ++turn) {
      if (turn > job.state.layers()) {
        job.state.save(uint32_t(turn), tensors.first(i), job.types, writer.file(), runs);
        progress.add(1);
      }
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

std::set<std::string> matrices_to_nearest(const Recipe& recipe) {
  std::set<std::string> names;
  for (const auto& [name, own] : recipe.tensors) {
    if (own.nearest) names.insert(name);
  }
  return names;
}

/// The type of a tensor under recipe and method.
RecipeChoice choice_of(const TensorView& tensor, const ModelConfig& config, const Recipe& recipe,
                       const QuantizeMethod& method) {
  const RecipeChoice choice = recipe_choice(recipe, config, tensor);
  return method.prune ? pruned_choice(tensor, choice, method.prune->sparsity) : choice;
}

/// Decides every tensor before anything is written.
QuantizeSummary plan_tensors(const std::vector<const TensorView*>& tensors, const ModelConfig& config,
                             const Recipe& recipe, const QuantizeMethod& method) {
  QuantizeSummary summary;
  for (const TensorView* tensor : tensors) {
    const RecipeChoice choice = choice_of(*tensor, config, recipe, method);
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

/// What became of the tensors that the check promoted, and how near all are to their sources.
void add_results(const Job& job, QuantizeSummary& summary) {
  for (size_t i = 0; i < summary.tensors.size(); ++i) {
    QuantizeSummary::Tensor& tensor = summary.tensors[i];
    const TensorTypes::Entry& entry = job.types.entry(tensor.name);
    tensor.to = entry.type;
    tensor.bytes = tensor_bytes(entry.type, job.tensors[i]->rows(), job.tensors[i]->cols()).value();
    tensor.promoted_from = entry.promoted_from;
    tensor.cosine = entry.fidelity.cosine();
    tensor.relative_error = entry.fidelity.relative_error();
  }
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

void check_recipe(const Checkpoint& checkpoint, const Recipe& recipe) {
  for (const auto& [name, own] : recipe.tensors) {
    const TensorView* tensor = checkpoint.find(name);
    if (tensor != nullptr && tensor->shape.size() >= 2) continue;
    fail("the recipe names {}, which is no matrix of this model: it was made for another one", name);
  }
}

/// All tensors, and the rope factors that the checkpoint has none of.
void write_tensors(Job& job, const Recipe& recipe, const std::vector<float>& rope_factors, GgufWriter& file) {
  const QuantizeMethod& method = job.method;
  const bool by_layers = method.by_layers();
  const std::string title = "quantize to " + recipe.name;
  // The output matrix counts as a layer.
  Progress progress = by_layers ? Progress(title, uint64_t(job.checkpoint.config().n_layers) + 1, "layers",
                                           job.state.layers())
                                : Progress(title, job.checkpoint.parameters(), "weights");
  TensorWriter writer(job.checkpoint, job.types, file, by_layers ? nullptr : &progress, job.pool);
  if (method.gptq) {
    write_by_layer<GptqModel>(job, GptqModelOptions{*method.gptq, matrices_to_nearest(recipe)}, progress,
                              writer);
  } else if (method.awq) {
    write_by_layer<AwqModel>(job, *method.awq, progress, writer);
  } else if (method.smoothquant) {
    write_by_layer<SmoothQuantModel>(job, *method.smoothquant, progress, writer);
  } else if (method.prune) {
    write_by_layer<PruneModel>(job, *method.prune, progress, writer);
  } else if (method.autoround) {
    write_by_layer<AutoroundModel>(job, *method.autoround, progress, writer);
  } else {
    for (const TensorView* tensor : job.tensors) job.write_plain(*tensor, writer);
  }
  if (!rope_factors.empty()) writer.write_values(rope_factors);
  writer.file();  // waits for what is under way
  if (by_layers) progress.add(1);
}

}  // namespace

RunState::Job quantize_job(const Checkpoint& checkpoint, const Recipe& recipe, const QuantizeMethod& method) {
  std::string types, options;
  const std::set<std::string> nearest = matrices_to_nearest(recipe);
  for (const TensorView& tensor : checkpoint.tensors()) {
    types += fmt::format("{} {}{}\n", tensor.name,
                         dtype_name(choice_of(tensor, checkpoint.config(), recipe, method).dtype),
                         nearest.count(tensor.name) > 0 ? " rtn" : "");
  }
  if (method.autoround) {
    options = fmt::format(", {} steps, {} sequences each", method.autoround->steps, method.autoround->batch);
  }
  if (method.smoothquant) options = fmt::format(", alpha {}", method.smoothquant->alpha);
  if (method.prune) {
    options = fmt::format(", pruned by {} to {}", prune_name(method.prune->method),
                          sparsity_name(method.prune->sparsity));
  }
  return {fmt::format("type: {}", recipe.name),
          fmt::format("tensors: {:016x}", fnv1a(std::as_bytes(std::span(types)))),
          fmt::format("method: {}{}", method_name(method), options)};
}

QuantizeSummary quantize_model(const Checkpoint& checkpoint, const Recipe& recipe,
                               const QuantizeMethod& method, GgufMetadata metadata,
                               const std::filesystem::path& output, ThreadPool& pool) {
  const auto start = std::chrono::steady_clock::now();
  check_recipe(checkpoint, recipe);
  if (method.importance != nullptr) check_importance(checkpoint, *method.importance);
  const bool by_layers = method.by_layers();
  ModelState state(by_layers ? method.state : nullptr, output);
  Job job{checkpoint, method, file_order(checkpoint, by_layers), {}, std::move(state), pool};
  QuantizeSummary summary = plan_tensors(job.tensors, checkpoint.config(), recipe, method);
  std::vector<GgufWriter::Tensor> declared;
  for (size_t i = 0; i < summary.tensors.size(); ++i) {
    const bool pruned = method.prune && is_pruned(*job.tensors[i]);
    job.types.set(summary.tensors[i].name, {summary.tensors[i].to, std::nullopt, {}, pruned});
  }
  job.state.restore(job.types);
  for (const TensorView* tensor : job.tensors) {
    declared.push_back({tensor->name, job.types(*tensor), tensor->shape});
  }
  const std::vector<float> rope_factors = missing_rope_factors(checkpoint);
  if (!rope_factors.empty()) declared.push_back({kRopeFactors, DType::F32, {rope_factors.size()}});
  GgufWriter file(output, with_recipe(std::move(metadata), recipe, method), std::move(declared),
                  job.state.incomplete(), job.state.tensors());
  write_tensors(job, recipe, rope_factors, file);
  file.finish();
  job.state.remove();
  add_results(job, summary);
  summary.file_bytes = std::filesystem::file_size(output);
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

}  // namespace nibble
