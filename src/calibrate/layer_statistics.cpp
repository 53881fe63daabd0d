#include "calibrate/layer_statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "quantize/finite.h"

namespace nibble {

namespace {

void check_finite(const InputStatistics& statistics, const std::string& matrix) {
  const auto& squares = statistics.squares();
  const auto bad =
      std::find_if(squares.begin(), squares.end(), [](double square) { return !std::isfinite(square); });
  if (bad != squares.end()) fail_not_finite_input(matrix, size_t(bad - squares.begin()));
}

}  // namespace

LayerStatistics gather_statistics(CalibrationRun& run, const ModelConfig& config, uint32_t layer,
                                  const LayerWeights& weights, bool advance, InputStatistics::Kind kind,
                                  ThreadPool& pool) {
  const size_t widths[] = {config.hidden, size_t(config.n_heads) * config.head_dim, config.hidden,
                           config.ffn};
  LayerStatistics statistics;
  for (const size_t width : widths) statistics.emplace_back(width, kind);
  const auto observe = [&](LayerInput which, Activations& input) {
    statistics[size_t(which)].add(observed_values(input, pool), input.tokens(), pool);
  };
  const LayerObserver observer(observe);
  run.run_layer(weights, advance, &observer);
  for (size_t input = 0; input < statistics.size(); ++input) {
    check_finite(statistics[input], fmt::format("blk.{}.{}", layer, kInputMatrices[input].front()));
  }
  return statistics;
}

InputStatistics gather_output_statistics(CalibrationRun& run, const ModelConfig& config,
                                         InputStatistics::Kind kind, ThreadPool& pool) {
  InputStatistics statistics(config.hidden, kind);
  run.observe_output([&](const float* x, size_t tokens) { statistics.add(x, tokens, pool); });
  check_finite(statistics, "output.weight");
  return statistics;
}

}  // namespace nibble
