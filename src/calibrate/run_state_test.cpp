#include "calibrate/run_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>

#include "base/error.h"
#include "formats/testing.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class RunStateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }

  static std::vector<std::string> names() {
    std::vector<std::string> result;
    for (const auto& entry : fs::directory_iterator(directory_)) result.push_back(entry.path().filename());
    std::sort(result.begin(), result.end());
    return result;
  }
  /// Leaves a state with two layers done.
  static void leave() {
    RunState state(kTarget, {"method: a", "size: 1"}, true);
    state.set_calibration({"text", {{1, 2, 3}, {4, 5, 6}}}, false);
    const std::vector<float> values = {0.5f, -0.0f, 1e-40f};
    state.save(2, {{"end", 7}}, {{"hidden", values}, {"none", {}}});
  }
  static std::string said(const std::function<void()>& action) {
    ::testing::internal::CaptureStderr();
    action();
    return ::testing::internal::GetCapturedStderr();
  }
  static std::string said_by(RunState::Job job, bool resume = true) {
    return said([&] { EXPECT_EQ(RunState(kTarget, std::move(job), resume).layers(), 0u); });
  }

  static inline const fs::path directory_ = testing::fresh_directory("run_state");
  static inline const fs::path kTarget = directory_ / "out", kState = directory_ / "out.partial.state";
};

TEST_F(RunStateTest, LeavesNothingBeforeItIsSaved) {
  { RunState state(kTarget, {"a"}, true); }
  EXPECT_TRUE(names().empty());
}

TEST_F(RunStateTest, GivesBackWhatWasSaved) {
  leave();
  EXPECT_EQ(names(), (std::vector<std::string>{"out.partial", "out.partial.state"}));
  RunState state(kTarget, {"method: a", "size: 1"}, true);
  EXPECT_EQ(state.layers(), 2u);
  EXPECT_EQ(state.details().at("end"), 7);
  ASSERT_TRUE(state.calibration());
  EXPECT_EQ(state.calibration()->source, "text");
  EXPECT_EQ(state.calibration()->sequences, (std::vector<std::vector<int32_t>>{{1, 2, 3}, {4, 5, 6}}));
  EXPECT_THROW(state.take("none", 1), Error);
  const std::vector<float> values = state.take("hidden", 3);
  EXPECT_EQ(values, (std::vector<float>{0.5f, -0.0f, 1e-40f}));
  EXPECT_TRUE(std::signbit(values[1]));
  EXPECT_THAT(said([&] { state.announce(30); }), HasSubstr("Resuming at layer 3 of 30"));
  state.remove();
  EXPECT_TRUE(names().empty());
}

TEST_F(RunStateTest, BelongsToOneJob) {
  leave();
  EXPECT_THAT(said_by({"method: a", "size: 2"}),
              HasSubstr("the earlier run has 'size: 1', this one 'size: 2'"));
  leave();
  EXPECT_THAT(said_by({"method: a", "size: 1", "more"}), HasSubstr("the earlier run has other options"));
  leave();
  EXPECT_THAT(said_by({"method: a", "size: 1"}, false), HasSubstr("--no-resume was given"));
  EXPECT_TRUE(names().empty());
}

/// Whatever byte changes and wherever the file ends.
TEST_F(RunStateTest, NoticesDamage) {
  leave();
  const std::string good = read_file(kState);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = char(bad[i] ^ 4);
    write_file(kState, bad);
    EXPECT_THAT(said_by({"method: a", "size: 1"}),
                HasSubstr("is not used, the run begins anew: it is damaged"));
    write_file(kState, std::string_view(good).substr(0, i));
    EXPECT_THAT(said_by({"method: a", "size: 1"}),
                HasSubstr("is not used, the run begins anew: it is damaged"));
  }
}

TEST_F(RunStateTest, KeepsTheCalibrationWhenItBeginsAnew) {
  leave();
  said([] { RunState(kTarget, {"method: a", "size: 1"}, true).begin_anew("no reason"); });
  RunState state(kTarget, {"method: a", "size: 1"}, true);
  EXPECT_EQ(state.layers(), 0u);
  EXPECT_EQ(state.calibration()->tokens(), 6u);
}

}  // namespace
}  // namespace nibble
