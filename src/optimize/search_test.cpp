#include "optimize/search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace nibble {
namespace {

Choices random_choices(std::mt19937& random, size_t tensors, size_t ways) {
  Choices choices(tensors);
  for (auto& tensor : choices) {
    const double size = double(1 + random() % 50), matter = double(1 + random() % 100);
    for (size_t i = 0; i < ways; ++i) {
      const double bits = double(2 + i) + double(random() % 100) / 200;
      tensor.push_back({uint64_t(1000 * size * bits), matter * std::pow(4.0, -bits),
                        size * bits * (0.5 + double(random() % 100) / 100)});
    }
  }
  return choices;
}

std::vector<Plan> all_plans(const Choices& choices) {
  std::vector<Plan> plans{{}};
  for (const auto& tensor : choices) {
    std::vector<Plan> next;
    for (const Plan& plan : plans) {
      for (uint32_t c = 0; c < tensor.size(); ++c) {
        Plan longer = plan;
        longer.picks.push_back(c);
        longer.bytes += tensor[c].bytes;
        longer.loss += tensor[c].loss;
        longer.seconds += tensor[c].seconds;
        next.push_back(longer);
      }
    }
    plans = next;
  }
  return plans;
}

/// So few plans that none is left out: every point of the front is on the front of all plans.
TEST(Search, FrontOfFewTensorsIsExact) {
  std::mt19937 random(3);
  for (int round = 0; round < 5; ++round) {
    const Choices choices = random_choices(random, 5, 4);
    const std::vector<Plan> plans = all_plans(choices);
    for (const Plan& point : pareto_front(choices)) {
      for (const Plan& plan : plans) {
        EXPECT_FALSE(plan.bytes <= point.bytes && plan.loss < point.loss - 1e-12) << "beaten";
      }
    }
    const Reach reach = reach_of(choices);
    EXPECT_EQ(pareto_front(choices).front().bytes, reach.bytes);
    EXPECT_NEAR(pareto_front(choices).back().loss, reach.loss, 1e-12);
  }
}

TEST(Search, KeepsToSizeAndFindsTheLeastLoss) {
  std::mt19937 random(4);
  const Choices choices = random_choices(random, 5, 4);
  const std::vector<Plan> plans = all_plans(choices);
  const uint64_t bound = (reach_of(choices).bytes + pareto_front(choices).back().bytes) / 2;
  double least = 1e9;
  for (const Plan& plan : plans) {
    if (plan.bytes <= bound) least = std::min(least, plan.loss);
  }
  const auto found = find_plan(choices, {bound, {}, {}});
  ASSERT_TRUE(found);
  EXPECT_LE(found->bytes, bound);
  EXPECT_NEAR(found->loss, least, 1e-12);
}

TEST(Search, KeepsToLossAndFindsTheSmallest) {
  std::mt19937 random(5);
  const Choices choices = random_choices(random, 5, 4);
  const double bound = 2 * reach_of(choices).loss;
  uint64_t least = UINT64_MAX;
  for (const Plan& plan : all_plans(choices)) {
    if (plan.loss <= bound) least = std::min(least, plan.bytes);
  }
  const auto found = find_plan(choices, {{}, bound, {}});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->bytes, least);
}

/// The bound of time alone decides: the plan may be larger, but is not slower.
TEST(Search, KeepsToTimeWhereSmallIsNotFast) {
  const Choices choices(4, {{100, 1.0, 9.0}, {110, 0.9, 1.0}, {200, 0.1, 5.0}});
  const auto found = find_plan(choices, {{}, {}, 8.0});
  ASSERT_TRUE(found);
  EXPECT_LE(found->seconds, 8.0);
  EXPECT_NEAR(found->loss, 3 * 0.9 + 0.1, 1e-9);
  EXPECT_FALSE(find_plan(choices, {{}, {}, 3.9}));
  EXPECT_FALSE(find_plan(choices, {399, {}, {}}));
  EXPECT_FALSE(find_plan(choices, {{}, 0.39, {}}));
}

/// As many tensors as a large model has: the front stays near what real numbers of bits would give.
TEST(Search, ThinningTheStatesCostsLittle) {
  std::mt19937 random(6);
  const Choices choices = random_choices(random, 240, 8);
  const std::vector<Plan> front = pareto_front(choices);
  ASSERT_GT(front.size(), 1000u);
  for (size_t i = 1; i < front.size(); ++i) {
    EXPECT_GT(front[i].bytes, front[i - 1].bytes);
    EXPECT_LT(front[i].loss, front[i - 1].loss);
  }
  // A plan that one price of bytes gives is on the hull of the true front.
  for (const double price : {1e-7, 1e-6, 1e-5, 1e-4}) {
    uint64_t bytes = 0;
    double loss = 0;
    for (const auto& tensor : choices) {
      const Choice* best = &tensor[0];
      for (const Choice& c : tensor) {
        if (c.loss + price * double(c.bytes) < best->loss + price * double(best->bytes)) best = &c;
      }
      bytes += best->bytes;
      loss += best->loss;
    }
    const auto found = find_plan(choices, {bytes, {}, {}});
    ASSERT_TRUE(found);
    EXPECT_LE(found->loss, loss * (1 + 1e-9)) << price;
  }
}

}  // namespace
}  // namespace nibble
