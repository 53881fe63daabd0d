#include "serve/job_command.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "serve/api_error.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

TEST(JobProgress, ReadsThePlainLinesOfProgress) {
  const auto bar = parse_progress("Quantizing small.gguf: 42%, 3.1 layers/s, 1m05s left, blk.3");
  ASSERT_TRUE(bar);
  EXPECT_DOUBLE_EQ(bar->share, 0.42);
  EXPECT_EQ(bar->message, "Quantizing small.gguf, blk.3");
  EXPECT_EQ(bar->eta_s, 65);
  const auto last = parse_progress("ARC: 100%, 12 questions/s, in 8s");
  ASSERT_TRUE(last);
  EXPECT_DOUBLE_EQ(last->share, 1);
  EXPECT_EQ(last->eta_s, 0);
  EXPECT_EQ(parse_progress("a: b: 7%, 5 MB/s, 2h00m left")->eta_s, 7200);
}

TEST(JobProgress, LeavesOtherLines) {
  for (const char* line : {"nibble: no such file", "  measured: 2 GB, 4.1 bits per weight", "", "50%"}) {
    EXPECT_FALSE(parse_progress(line)) << line;
  }
}

class JobPlanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("nibble-jobs-" + std::to_string(getpid()));
    fs::create_directories(directory_);
    write_file(directory_ / "big.gguf", "not read here");
    write_file(directory_ / "text.txt", "text");
    models_ = std::make_unique<ModelHub>(ModelHubOptions{{}, directory_, {}, {}});
  }
  void TearDown() override { fs::remove_all(directory_); }

  JobPlan plan(const char* body) const { return plan_job(Json::parse(body), *models_); }
  /// The field that is wrong, or "ok".
  std::string wrong(const char* body) const {
    try {
      plan(body);
      return "ok";
    } catch (const ApiError& error) {
      return error.body()["error"]["param"];
    }
  }

  fs::path directory_;
  std::unique_ptr<ModelHub> models_;
};

TEST_F(JobPlanTest, BecomesACommand) {
  const JobPlan job = plan(R"({"kind": "quantize", "model": "big", "output": "small",
      "options": {"type": "q4_k_m", "group": 64, "calibration": "text.txt", "method": null}})");
  const std::string in = (directory_ / "big.gguf").string(), out = (directory_ / "small.gguf").string();
  EXPECT_EQ(job.arguments, (std::vector<std::string>{"quantize", in, "-o", out, "--type=q4_k_m", "--group=64",
                                                     "--calibration=" + (directory_ / "text.txt").string()}));
  const JobPlan other =
      plan(R"({"kind": "optimize", "model": "big", "output": "best.gguf", "options": {"max_loss": "1%"}})");
  EXPECT_EQ(other.report, directory_ / "best-report");
  EXPECT_NE(std::find(other.arguments.begin(), other.arguments.end(), "--max-loss=1%"),
            other.arguments.end());
}

TEST_F(JobPlanTest, RefusesWhatLiesElsewhere) {
  EXPECT_EQ(wrong(R"({"kind": "erase", "model": "big", "output": "x"})"), "kind");
  EXPECT_EQ(wrong(R"({"kind": "optimize", "model": "none", "output": "x"})"), "id");
  EXPECT_EQ(wrong(R"({"kind": "optimize", "model": "big", "output": "../x"})"), "output");
  EXPECT_EQ(wrong(R"({"kind": "optimize", "model": "big", "output": "-x"})"), "output");
  EXPECT_EQ(wrong(R"({"kind": "optimize", "model": "big", "output": "big"})"), "output");
  EXPECT_EQ(wrong(R"({"kind": "quantize", "model": "big", "output": "x"})"), "options.type");
  EXPECT_EQ(wrong(R"({"kind": "optimize", "model": "big", "output": "x", "options": {"report": "/"}})"),
            "options.report");
  EXPECT_EQ(
      wrong(
          R"({"kind": "optimize", "model": "big", "output": "x", "options": {"calibration": "/etc/passwd"}})"),
      "options.calibration");
  EXPECT_EQ(wrong(R"({"kind": "optimize", "model": "big", "output": "x", "options": {"max_loss": [1]}})"),
            "options.max_loss");
}

}  // namespace
}  // namespace nibble
