#include "calibrate/layer_statistics.h"

namespace nibble {

LayerStatistics gather_statistics(CalibrationRun& run, const ModelConfig& config, const LayerWeights& weights,
                                  bool advance, InputStatistics::Kind kind, ThreadPool& pool) {
  const size_t widths[] = {config.hidden, size_t(config.n_heads) * config.head_dim, config.hidden,
                           config.ffn};
  LayerStatistics statistics;
  for (const size_t width : widths) statistics.emplace_back(width, kind);
  const auto observe = [&](LayerInput which, Activations& input) {
    statistics[size_t(which)].add(observed_values(input, pool), input.tokens(), pool);
  };
  const LayerObserver observer(observe);
  run.run_layer(weights, advance, &observer);
  return statistics;
}

InputStatistics gather_output_statistics(CalibrationRun& run, const ModelConfig& config,
                                         InputStatistics::Kind kind, ThreadPool& pool) {
  InputStatistics statistics(config.hidden, kind);
  run.observe_output([&](const float* x, size_t tokens) { statistics.add(x, tokens, pool); });
  return statistics;
}

}  // namespace nibble
