#include "evaluate/perplexity.h"

#include <fmt/format.h>

#include <cmath>

#include "base/progress.h"
#include "engine/log_softmax.h"

namespace nibble {

double PerplexityResult::perplexity() const {
  return std::exp(nll.mean);
}

PerplexityResult evaluate_perplexity(Engine& engine, const std::vector<Window>& windows) {
  Progress progress("perplexity", windows.size(), "windows");
  const size_t vocab = engine.model().config().vocab;
  PerplexityResult result;
  std::vector<double> values;
  double sum = 0;
  for (const Window& window : windows) {
    // The logits of position t - 1 predict token t, so those of the last position are not needed.
    const std::span input(window.tokens.data(), window.tokens.size() - 1);
    const auto score = [&](size_t first, std::span<const float> logits, size_t rows) {
      const size_t before = values.size();
      values.resize(before + rows);
      engine.pool().parallel_for(rows, 1, [&](size_t begin, size_t end) {
        for (size_t row = begin; row < end; ++row) {
          const std::span one = logits.subspan(row * vocab, vocab);
          values[before + row] =
              LogSoftmax(one).log_total - double(one[size_t(window.tokens[first + row + 1])]);
        }
      });
      for (size_t i = before; i < values.size(); ++i) sum += values[i];
    };
    engine.logits(input, score, window.first_target - 1);
    ++result.windows;
    progress.add(1, fmt::format("perplexity {:.4f}", std::exp(sum / double(values.size()))));
  }
  result.nll = mean_estimate(values);
  result.tokens = values.size();
  return result;
}

}  // namespace nibble
