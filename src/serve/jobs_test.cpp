#include "serve/jobs.h"

#include <gtest/gtest.h>

#include "serve/api_error.h"

namespace nibble {
namespace {

constexpr std::chrono::milliseconds kLong{20000};

/// A job that runs a shell's line in place of the program.
JobPlan shell(const std::string& line, const std::string& output = "out.gguf") {
  JobPlan plan;
  plan.kind = "quantize";
  plan.output = output;
  plan.arguments = {"-c", line};
  return plan;
}

/// The job once it has ended.
nlohmann::ordered_json ended(const JobQueue& jobs, const std::string& id) {
  uint64_t version = 0;
  while (const auto state = jobs.wait_for_change(id, version, kLong)) {
    if (state->ended) return state->job;
    version = state->version;
  }
  ADD_FAILURE() << "the job does not end";
  return {};
}

TEST(JobQueue, ReportsProgressAndTheEnd) {
  JobQueue jobs("/bin/sh");
  const auto id = jobs.add(shell("echo 'work: 50%, 1 layers/s, 3s left'; echo made it"));
  const auto job = ended(jobs, id);
  EXPECT_EQ(job["state"], "done");
  EXPECT_EQ(job["progress"], 1);
  EXPECT_EQ(job["message"], "made it");
  EXPECT_TRUE(job["error"].is_null());
}

TEST(JobQueue, ReportsWhatWentWrong) {
  JobQueue jobs("/bin/sh");
  const auto job = ended(jobs, jobs.add(shell("echo 'nibble: no such file' >&2; exit 1")));
  EXPECT_EQ(job["state"], "failed");
  EXPECT_EQ(job["error"], "no such file");
  JobQueue none("/no/such/program");
  EXPECT_EQ(ended(none, none.add(shell("")))["state"], "failed");
}

TEST(JobQueue, CancelsJobsThatRunAndThatWait) {
  JobQueue jobs("/bin/sh");
  const auto first = jobs.add(shell("echo begun; sleep 60", "a")),
             second = jobs.add(shell("echo never", "b"));
  uint64_t version = 0;
  for (auto state = jobs.wait_for_change(first, version, kLong); state && state->job["message"] != "begun";
       state = jobs.wait_for_change(first, version, kLong)) {
    version = state->version;
  }
  EXPECT_EQ(jobs.get(second)["state"], "queued");
  jobs.cancel(second);
  jobs.cancel(first);
  EXPECT_EQ(ended(jobs, first)["state"], "cancelled");
  EXPECT_EQ(ended(jobs, second)["state"], "cancelled");
  EXPECT_THROW(jobs.get("job-none"), ApiError);
}

TEST(JobQueue, TwoJobsDoNotWriteOneOutput) {
  JobQueue jobs("/bin/sh");
  jobs.add(shell("sleep 60"));
  EXPECT_THROW(jobs.add(shell("true")), ApiError);
}

}  // namespace
}  // namespace nibble
