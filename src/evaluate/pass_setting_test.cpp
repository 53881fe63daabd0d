#include "evaluate/pass_setting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/tiny_model_test.h"

namespace nibble {
namespace {

using ::testing::ElementsAre;

std::vector<int> threads_of(const std::vector<PassSetting>& settings) {
  std::vector<int> threads;
  for (const PassSetting& setting : settings) threads.push_back(setting.threads);
  return threads;
}

TEST(PassSetting, TriesTheThreadsWhoseRoofsComeNearTheBest) {
  // Memory is at its limit with 4 threads, multiplying grows with every thread.
  const std::vector<Roofs> steps = {
      {1, 10e9, 1e12, 50e9}, {2, 19e9, 2e12, 100e9}, {4, 28e9, 4e12, 200e9}, {8, 30e9, 8e12, 400e9}};
  const TinyModel file;
  ThreadPool pool(1);
  const auto model = Model::load(Checkpoint::open(file.path()), pool);
  // float32 weights have one kernel for all phases.
  EXPECT_THAT(threads_of(candidate_settings(steps, *model, 1, 1)), ElementsAre(8, 4));
  EXPECT_THAT(threads_of(candidate_settings(steps, *model, 512, 512)), ElementsAre(8));
  for (const PassSetting& setting : candidate_settings(steps, *model, 1, 1)) {
    EXPECT_EQ(setting.isa, selected_isa());
  }
  // The largest number is tried even where another measured better.
  const std::vector<Roofs> crowded = {{1, 30e9, 1e12, 400e9}, {2, 10e9, 1e12, 50e9}};
  EXPECT_THAT(threads_of(candidate_settings(crowded, *model, 1, 1)), ElementsAre(2, 1));
}

TEST(PassSetting, TakesTheFewestThreadsOfThoseThatAreAlike) {
  const std::vector<PassSetting> settings = {
      {8, Isa::avx512_vnni}, {8, Isa::avx2}, {4, Isa::avx512_vnni}, {4, Isa::avx2}};
  EXPECT_EQ(best_setting(settings, std::vector{1.0, 1.0, 1.5, 1.5}), 0u);
  EXPECT_EQ(best_setting(settings, std::vector{1.0, 0.99, 1.5, 1.5}), 0u);
  EXPECT_EQ(best_setting(settings, std::vector{1.0, 0.9, 1.5, 1.5}), 1u);
  EXPECT_EQ(best_setting(settings, std::vector{1.0, 1.0, 1.01, 1.01}), 2u);
  EXPECT_EQ(best_setting(settings, std::vector{1.0, 1.0, 1.1, 0.95}), 3u);
}

}  // namespace
}  // namespace nibble
