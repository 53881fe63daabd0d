#include "calibrate/imatrix.h"

#include <fmt/format.h>

#include "base/progress.h"
#include "calibrate/layer_statistics.h"

namespace nibble {

namespace {

Imatrix::Entry entry_of(const InputStatistics& statistics) {
  const auto& squares = statistics.squares();
  return {{squares.begin(), squares.end()}, float(statistics.tokens())};
}

/// The entries so far and the hidden states behind the layers that are done.
void save(RunState& state, uint32_t layers, const Imatrix& imatrix, const CalibrationRun& run) {
  nlohmann::json entries = nlohmann::json::array();
  RunState::Arrays arrays;
  for (const auto& [name, entry] : imatrix.entries) {
    entries.push_back({{"name", name}, {"size", entry.sums.size()}, {"count", entry.count}});
    arrays.emplace_back(name, entry.sums);
  }
  run.save_to(arrays, "hidden");
  state.save(layers, std::move(entries), arrays);
}

void restore(RunState& state, Imatrix& imatrix, CalibrationRun& run) {
  for (const nlohmann::json& entry : state.details()) {
    const auto name = entry.at("name").get<std::string>();
    imatrix.entries[name] = {state.take(name, entry.at("size").get<size_t>()),
                             entry.at("count").get<float>()};
  }
  run.take_from(state, "hidden");
}

}  // namespace

Importance Imatrix::importance() const {
  Importance result;
  for (const auto& [name, entry] : entries) {
    if (!(entry.count > 0)) continue;
    std::vector<float>& means = result[name];
    for (const float sum : entry.sums) means.push_back(sum / entry.count);
  }
  return result;
}

Imatrix collect_imatrix(const Checkpoint& checkpoint, const CalibrationData& data, ThreadPool& pool,
                        RunState* state) {
  constexpr auto kKind = InputStatistics::Kind::diagonal;
  const ModelConfig& config = checkpoint.config();
  Imatrix result;
  result.datasets = {data.source};
  result.chunk_count = uint32_t(data.sequences.size());
  result.chunk_size = uint32_t(data.sequences[0].size());
  CalibrationRun run(checkpoint, data, pool);
  const uint32_t done = state == nullptr ? 0 : state->layers();
  if (done > 0) {
    restore(*state, result, run);
    state->announce(config.n_layers);
  }
  Progress progress("Importance matrix", config.n_layers, "layers", done);
  for (uint32_t layer = done; layer < config.n_layers; ++layer) {
    const LayerWeights weights =
        load_layer(checkpoint, layer, [&](const TensorView& tensor) { return Linear::pack(tensor, pool); });
    const LayerStatistics statistics = gather_statistics(run, config, layer, weights, true, kKind, pool);
    for (size_t input = 0; input < kInputMatrices.size(); ++input) {
      for (const std::string& part : kInputMatrices[input]) {
        result.entries[fmt::format("blk.{}.{}", layer, part)] = entry_of(statistics[input]);
      }
    }
    checkpoint.release_all();
    if (state != nullptr) save(*state, layer + 1, result, run);
    progress.add(1);
  }
  result.entries[output_tensor(checkpoint).name] =
      entry_of(gather_output_statistics(run, config, kKind, pool));
  return result;
}

}  // namespace nibble
