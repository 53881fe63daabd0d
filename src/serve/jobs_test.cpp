#include "serve/jobs.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "formats/testing.h"
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

void wait_for_message(const JobQueue& jobs, const std::string& id, const std::string& message) {
  uint64_t version = 0;
  for (auto state = jobs.wait_for_change(id, version, kLong); state && state->job["message"] != message;
       state = jobs.wait_for_change(id, version, kLong)) {
    version = state->version;
  }
}

TEST(JobQueue, CancelsJobsThatRunAndThatWait) {
  JobQueue jobs("/bin/sh");
  const auto first = jobs.add(shell("echo begun; sleep 60", "a")),
             second = jobs.add(shell("echo never", "b"));
  wait_for_message(jobs, first, "begun");
  EXPECT_EQ(jobs.get(second)["state"], "queued");
  EXPECT_EQ(jobs.cancel(second)["state"], "cancelled");
  jobs.cancel(first);
  EXPECT_EQ(ended(jobs, first)["state"], "cancelled");
  EXPECT_EQ(ended(jobs, first)["message"], "cancelled");
  EXPECT_EQ(ended(jobs, first)["resumable"], false);
  EXPECT_EQ(ended(jobs, second)["state"], "cancelled");
  EXPECT_THROW(jobs.get("job-none"), ApiError);
}

/// A folder with an output's name, and files beside it.
class JobFiles : public ::testing::Test {
 protected:
  void make(const std::string& name) const { std::ofstream(directory_ / name) << "x"; }
  std::set<std::string> names() const {
    std::set<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      all.insert(entry.path().filename().string());
    }
    return all;
  }
  std::string output() const { return (directory_ / "best.gguf").string(); }

  const std::filesystem::path directory_ = nibble::testing::fresh_directory("jobs");
};

TEST_F(JobFiles, ACancelledJobIsResumed) {
  JobQueue jobs("/bin/sh");
  const std::string state = output() + ".optimize.partial.state";
  const auto id = jobs.add(shell("if [ -e " + state + " ]; then echo goes on; touch " + output() +
                                     "; else touch " + state + "; echo begun; sleep 60; fi",
                                 output()));
  wait_for_message(jobs, id, "begun");
  EXPECT_THROW(jobs.resume(id), ApiError);  // it runs
  EXPECT_THROW(jobs.remove(id), ApiError);  // it would lose what it computes
  jobs.cancel(id);
  const auto cancelled = ended(jobs, id);
  EXPECT_EQ(cancelled["state"], "cancelled");
  EXPECT_EQ(cancelled["resumable"], true);
  EXPECT_NE(cancelled["message"].get<std::string>().find("resumed"), std::string::npos);
  EXPECT_EQ(jobs.resume(id)["state"], "queued");
  const auto done = ended(jobs, id);
  EXPECT_EQ(done["state"], "done");
  EXPECT_EQ(done["message"], "goes on");
  EXPECT_EQ(done["resumable"], false);
  EXPECT_EQ(jobs.cancel(id), done);  // too late
  EXPECT_THROW(jobs.resume(id), ApiError);
}

TEST_F(JobFiles, AJobThatIsRemovedTakesWhatItLeft) {
  const std::set<std::string> others = {"best.gguf.txt", "better.gguf.partial", "best.gguf.partial.statement",
                                        "best.gguf.best.txt"};
  const std::set<std::string> own = {"best.gguf.partial",
                                     "best.gguf.partial.state",
                                     "best.gguf.optimize.partial",
                                     "best.gguf.optimize.partial.state",
                                     "best.gguf.12-0.partial",
                                     "best.gguf.partial.state.12-3.partial",
                                     "best.gguf.trial",
                                     "best.gguf.best",
                                     "best.gguf.trial.partial",
                                     "best.gguf.trial.partial.state"};
  for (const auto& name : others) make(name);
  JobQueue jobs("/bin/sh");
  const auto first = jobs.add(shell("exit 3", output()));
  EXPECT_EQ(ended(jobs, first)["state"], "failed");
  for (const auto& name : own) make(name);
  const auto second = jobs.add(shell("echo begun; sleep 60", output()));
  wait_for_message(jobs, second, "begun");
  EXPECT_THROW(jobs.resume(first), ApiError);
  jobs.remove(first);  // another one is at work there
  EXPECT_EQ(names().size(), others.size() + own.size());
  EXPECT_THROW(jobs.get(first), ApiError);
  jobs.cancel(second);
  EXPECT_EQ(ended(jobs, second)["resumable"], true);
  jobs.remove(second);
  EXPECT_THROW(jobs.get(second), ApiError);
  EXPECT_EQ(names(), others);
  // What it made stays.
  const auto third = jobs.add(shell("touch " + output(), output()));
  EXPECT_EQ(ended(jobs, third)["state"], "done");
  jobs.remove(third);
  EXPECT_TRUE(names().contains("best.gguf"));
}

TEST(JobQueue, TwoJobsDoNotWriteOneOutput) {
  JobQueue jobs("/bin/sh");
  jobs.add(shell("sleep 60"));
  EXPECT_THROW(jobs.add(shell("true")), ApiError);
}

}  // namespace
}  // namespace nibble
