#include "evaluate/kld.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/progress.h"
#include "engine/log_softmax.h"

namespace nibble {

namespace {

template <typename Value>
Estimate estimate_of(std::span<const TokenDivergence> tokens, Value value) {
  std::vector<double> values;
  values.reserve(tokens.size());
  for (const TokenDivergence& token : tokens) values.push_back(value(token));
  return mean_estimate(values);
}

}  // namespace

TokenDivergence token_divergence(std::span<const float> logits, std::span<const float> base, int32_t token) {
  const LogSoftmax row(logits), base_row(base);
  const auto base_total = float(base_row.log_total);
  // sum p_base (log p_base - log p), with the totals taken out of the sum.
  double sum = 0, weights = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double p = double(std::exp(base[i] - base_total));
    weights += p;
    sum += p * (double(base[i]) - double(logits[i]));
  }
  const double kld = sum / weights - base_row.log_total + row.log_total;
  // Rounding can take a divergence of nearly zero below it.
  return {std::max(0.0, kld), row.log_total - double(logits[size_t(token)]),
          base_row.log_total - double(base[size_t(token)]), row.best == base_row.best};
}

KldResult summarize_divergence(std::span<const TokenDivergence> tokens, uint64_t windows) {
  KldResult result;
  std::vector<double> sorted;
  for (const TokenDivergence& token : tokens) sorted.push_back(token.kld);
  result.kld = mean_estimate(sorted);
  std::sort(sorted.begin(), sorted.end());
  result.median = quantile(sorted, 0.5);
  result.p90 = quantile(sorted, 0.9);
  result.p99 = quantile(sorted, 0.99);
  result.max = quantile(sorted, 1);
  result.top1_agreement = estimate_of(tokens, [](auto& t) { return double(t.same_top); });
  result.model = {estimate_of(tokens, [](auto& t) { return t.nll; }), windows, tokens.size()};
  result.base = {estimate_of(tokens, [](auto& t) { return t.base_nll; }), windows, tokens.size()};
  result.log_ratio = estimate_of(tokens, [](auto& t) { return t.nll - t.base_nll; });
  return result;
}

KldResult evaluate_kld(Engine& engine, BaseLogits& base, const std::vector<Window>& windows) {
  base.check(engine, windows);
  Progress progress("KL divergence", windows.size(), "windows");
  const size_t vocab = engine.model().config().vocab;
  std::vector<TokenDivergence> tokens;
  double sum = 0;
  for (size_t w = 0; w < windows.size(); ++w) {
    const Window& window = windows[w];
    const size_t from = window.first_target - 1;
    const std::span<const float> base_logits = base.of(windows, w);
    const auto compare = [&](size_t first, std::span<const float> logits, size_t rows) {
      const size_t before = tokens.size();
      tokens.resize(before + rows);
      engine.pool().parallel_for(rows, 1, [&](size_t begin, size_t end) {
        for (size_t row = begin; row < end; ++row) {
          tokens[before + row] = token_divergence(logits.subspan(row * vocab, vocab),
                                                  base_logits.subspan((first + row - from) * vocab, vocab),
                                                  window.tokens[first + row + 1]);
        }
      });
      for (size_t i = before; i < tokens.size(); ++i) sum += tokens[i].kld;
    };
    engine.logits(std::span(window.tokens).first(window.tokens.size() - 1), compare, from);
    progress.add(1, fmt::format("KLD {:.6f}", sum / double(tokens.size())));
  }
  return summarize_divergence(tokens, windows.size());
}

}  // namespace nibble
