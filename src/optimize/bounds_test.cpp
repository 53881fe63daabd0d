#include "optimize/bounds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nibble {
namespace {

using ::testing::HasSubstr;

/// A model of two matrices, each 10, 20 or 40 bytes, whose loss falls by ten with each step.
Choices two_matrices() {
  return Choices(2, {{10'000, 0.1, 0.001}, {20'000, 0.01, 0.002}, {40'000, 0.001, 0.004}});
}

/// What measuring a plan gives when its perplexity's logarithm grows by `log_ratio`.
Measured measured(const Plan& plan, double log_ratio, uint64_t rest = 500) {
  Measured m;
  m.file_bytes = plan.bytes + rest;
  m.memory_bytes = plan.bytes + 7000;
  m.kld.log_ratio = {log_ratio, 0};
  m.kld.kld = {log_ratio, 0};
  m.tokens_per_s = 1 / (plan.seconds + 0.001);
  return m;
}

TEST(PlanBounds, SizeAndMemoryLeaveRoomForTheRest) {
  OptimizeRequest request;
  request.max_size = 50'500;
  EXPECT_EQ(PlanBounds(request, 500, 7000).bounds().bytes, 50'000u);
  request.max_memory = 40'000;
  EXPECT_EQ(PlanBounds(request, 500, 7000).bounds().bytes, 33'000u);
  request.max_memory = 6'000;
  EXPECT_EQ(PlanBounds(request, 500, 7000).bounds().bytes, 0u);
}

TEST(PlanBounds, AMeasurementThatBreaksTheLossTightensIt) {
  OptimizeRequest request;
  request.metric = LossMetric::kld;
  request.max_loss = 0.03;
  PlanBounds bounds(request, 500, 7000);
  const auto first = find_plan(two_matrices(), bounds.bounds());
  ASSERT_TRUE(first);
  EXPECT_EQ(first->bytes, 40'000u);
  EXPECT_THAT(bounds.learn(*first, measured(*first, 3 * first->loss)), HasSubstr("--max-loss 0.03"));
  const auto second = find_plan(two_matrices(), bounds.bounds());
  ASSERT_TRUE(second);
  EXPECT_GT(second->bytes, first->bytes);
  EXPECT_EQ(bounds.learn(*second, measured(*second, 0.5 * second->loss)), "");
  // What was bad stays bad, whatever the last measurement made of the scale.
  EXPECT_LT(*bounds.bounds().loss, first->loss);
}

TEST(PlanBounds, AnUnusedBoundLeavesRoom) {
  OptimizeRequest request;
  request.metric = LossMetric::kld;
  request.max_loss = 0.03;
  PlanBounds bounds(request, 500, 7000);
  const auto plan = find_plan(two_matrices(), bounds.bounds());
  ASSERT_TRUE(plan);
  EXPECT_EQ(bounds.learn(*plan, measured(*plan, 0.1 * plan->loss)), "");
  EXPECT_TRUE(bounds.has_room());
  EXPECT_LT(find_plan(two_matrices(), bounds.bounds())->bytes, plan->bytes);
}

TEST(PlanBounds, SpeedLearnsWhatTheProductsLeaveOut) {
  OptimizeRequest request;
  request.min_speed = 200;
  PlanBounds bounds(request, 500, 7000);
  const auto first = find_plan(two_matrices(), bounds.bounds());
  ASSERT_TRUE(first);
  EXPECT_LE(first->seconds, 0.005);
  // 4 ms of products and 1 ms beside them are 200 tokens/s; 2 ms beside them are not.
  Measured slow = measured(*first, 0);
  slow.tokens_per_s = 1 / (first->seconds + 0.002);
  EXPECT_THAT(bounds.learn(*first, slow), HasSubstr("--min-speed 200"));
  EXPECT_NEAR(*bounds.bounds().seconds, 0.003, 1e-9);
}

TEST(PlanBounds, ExplainsWhatIsInTheWay) {
  OptimizeRequest request;
  request.metric = LossMetric::kld;
  request.max_size = 30'500;
  request.max_loss = 0.01;
  PlanBounds bounds(request, 500, 7000);
  ASSERT_FALSE(find_plan(two_matrices(), bounds.bounds()));
  const std::string why = bounds.explain(two_matrices());
  EXPECT_THAT(why, HasSubstr("--max-size 30.5 kB and --max-loss 0.01"));
  EXPECT_THAT(why, HasSubstr("--max-size 80.5 kB"));
  EXPECT_THAT(why, HasSubstr("--max-loss 0.116"));  // 0.11 with the aim's margin
  request.max_size = 100;
  request.max_loss = {};
  EXPECT_THAT(PlanBounds(request, 500, 7000).explain(two_matrices()), HasSubstr("--max-size 20.5 kB"));
  // Rounded up: what is printed works.
  EXPECT_THAT(PlanBounds(request, 520, 7000).explain(two_matrices()), HasSubstr("--max-size 20.6 kB"));
}

TEST(PlanBounds, BoundsThatBreakAgainAndAgainAreAimedAtMoreBoldly) {
  OptimizeRequest request;
  request.metric = LossMetric::kld;
  request.max_loss = 0.03;
  PlanBounds bounds(request, 500, 7000);
  double loss = 0.02;
  for (int i = 0; i < 4; ++i) {
    // However small the prediction, the error of the measurement stays and breaks the bound.
    Measured m = measured(Plan{{}, 20'000, loss, 0.002}, 0.031);
    EXPECT_THAT(bounds.learn({{}, 20'000, loss, 0.002}, m), HasSubstr("--max-loss"));
    const double next = *bounds.bounds().loss;
    EXPECT_LE(next, loss / (1 << i));
    loss = next;
  }
}

TEST(PlanBounds, AModelThatIsFasterThanPredictedRaisesTheReach) {
  OptimizeRequest request;
  request.min_speed = 400;  // 2.5 ms, which no plan is predicted to reach beside the rest
  PlanBounds bounds(request, 500, 7000);
  const Choices choices(2, {{10'000, 0.1, 0.002}, {20'000, 0.01, 0.003}});
  EXPECT_FALSE(find_plan(choices, bounds.bounds()));
  EXPECT_THAT(bounds.explain(choices), HasSubstr("nearest that should work: --min-speed 250"));
  const auto fastest = fastest_plan(choices, bounds.bounds());
  ASSERT_TRUE(fastest);
  EXPECT_EQ(fastest->seconds, 0.004);
  Measured m = measured(*fastest, 0.1);
  m.tokens_per_s = 500;  // half of the predicted time
  EXPECT_EQ(bounds.learn(*fastest, m), "");
  const auto next = find_plan(choices, bounds.bounds());
  ASSERT_TRUE(next);
  EXPECT_EQ(next->seconds, 0.005);
}

}  // namespace
}  // namespace nibble
