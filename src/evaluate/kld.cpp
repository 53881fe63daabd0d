#include "evaluate/kld.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/progress.h"
#include "engine/log_softmax.h"

namespace nibble {

namespace {

void check_same_vocabulary(const Engine& engine, const Engine& base) {
  const uint32_t vocab = engine.model().config().vocab, base_vocab = base.model().config().vocab;
  const bool differ =
      vocab != base_vocab || (engine.has_tokenizer() && base.has_tokenizer() &&
                              engine.tokenizer().vocabulary().tokens != base.tokenizer().vocabulary().tokens);
  if (differ) {
    fail("{}: its vocabulary is not that of {}; --base must be the model that this one was made from",
         base.model().checkpoint().path().string(), engine.model().checkpoint().path().string());
  }
}

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

KldResult evaluate_kld(Engine& engine, Engine& base, const std::vector<Window>& windows) {
  check_same_vocabulary(engine, base);
  Progress progress("KL divergence", windows.size(), "windows");
  const size_t vocab = engine.model().config().vocab;
  std::vector<TokenDivergence> tokens;
  std::vector<float> base_logits;  // [scored positions of a window, vocab]
  double sum = 0;
  for (const Window& window : windows) {
    const std::span input(window.tokens.data(), window.tokens.size() - 1);
    const size_t from = window.first_target - 1;
    base_logits.clear();
    base.logits(
        input,
        [&](size_t, auto logits, size_t) {
          base_logits.insert(base_logits.end(), logits.begin(), logits.end());
        },
        from);
    const auto compare = [&](size_t first, std::span<const float> logits, size_t rows) {
      const size_t before = tokens.size();
      tokens.resize(before + rows);
      engine.pool().parallel_for(rows, 1, [&](size_t begin, size_t end) {
        for (size_t row = begin; row < end; ++row) {
          const std::span base_row(base_logits.data() + (first + row - from) * vocab, vocab);
          tokens[before + row] =
              token_divergence(logits.subspan(row * vocab, vocab), base_row, window.tokens[first + row + 1]);
        }
      });
      for (size_t i = before; i < tokens.size(); ++i) sum += tokens[i].kld;
    };
    engine.logits(input, compare, from);
    progress.add(1, fmt::format("KLD {:.6f}", sum / double(tokens.size())));
  }
  return summarize_divergence(tokens, windows.size());
}

}  // namespace nibble
