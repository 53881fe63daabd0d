#include "evaluate/kld.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"

namespace nibble {
namespace {

constexpr float kModel[3][4] = {{1.5f, 1.75f, 0.5f, -2}, {0.5f, 0, -0.5f, 0}, {3, -2, 1, 0.25f}};
constexpr float kBase[3][4] = {{1, 2, 0.5f, -1}, {0, 0, 0, 0}, {3, -2, 1, 0.25f}};
constexpr int32_t kTokens[3] = {1, 2, 0};

// Golden values: NumPy in float64.
TEST(Kld, OfOneToken) {
  const double kld[] = {0.06202333626525317, 0.0618596072403228, 0.0};
  const double nll[] = {0.7366009054160743, 1.9481539683602134, 0.1873100033148707};
  const double base_nll[] = {0.495181898085856, 1.3862943611198906, 0.1873100033148707};
  for (size_t i = 0; i < 3; ++i) {
    const TokenDivergence d = token_divergence(kModel[i], kBase[i], kTokens[i]);
    EXPECT_NEAR(d.kld, kld[i], 2e-7) << i;
    EXPECT_NEAR(d.nll, nll[i], 2e-7) << i;
    EXPECT_NEAR(d.base_nll, base_nll[i], 2e-7) << i;
    EXPECT_TRUE(d.same_top) << i;
  }
  const float turned[4] = {2, 1, 0.5f, -1};
  EXPECT_FALSE(token_divergence(turned, kBase[0], 1).same_top);
}

TEST(Kld, Summary) {
  std::vector<TokenDivergence> tokens;
  for (size_t i = 0; i < 3; ++i) tokens.push_back(token_divergence(kModel[i], kBase[i], kTokens[i]));
  const KldResult r = summarize_divergence(tokens, 1);
  EXPECT_NEAR(r.kld.mean, 0.04129431450185866, 2e-7);
  EXPECT_NEAR(r.kld.standard_error, 0.020647211348688327, 2e-7);
  EXPECT_NEAR(r.median, 0.0618596072403228, 2e-7);
  EXPECT_NEAR(r.p90, 0.0619905904602671, 2e-7);
  EXPECT_NEAR(r.p99, 0.06202006168475457, 2e-7);
  EXPECT_NEAR(r.max, 0.06202333626525317, 2e-7);
  EXPECT_NEAR(r.model.perplexity(), 2.604797557230911, 1e-6);
  EXPECT_NEAR(r.model.standard_error(), 1.3549055337450728, 1e-6);
  EXPECT_NEAR(r.base.perplexity(), 1.9929090806357332, 1e-6);
  EXPECT_NEAR(r.log_ratio.mean, 0.26775953819018034, 2e-7);
  EXPECT_NEAR(r.log_ratio.standard_error, 0.1627287336198404, 2e-7);
  EXPECT_EQ(r.top1_agreement.mean, 1);
  EXPECT_EQ(r.model.tokens, 3u);
}

TEST(Kld, LargeLogitsDoNotOverflow) {
  const float model[2] = {30000, 29999}, base[2] = {30001, 30000};
  EXPECT_NEAR(token_divergence(model, base, 0).kld, 0, 1e-6);
  const float broken[2] = {std::numeric_limits<float>::quiet_NaN(), 0};
  EXPECT_THROW(token_divergence(broken, base, 0), Error);
}

}  // namespace
}  // namespace nibble
