#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

#include "serve/job_command.h"

namespace nibble {

/// Long work in child processes of this program, one at a time, in the order in which it was asked for. Safe
/// to call from several threads.
class JobQueue {
 public:
  /// `program`: what to run, this program's own path.
  explicit JobQueue(std::string program);
  /// Ends the job that runs.
  ~JobQueue();
  JobQueue(const JobQueue&) = delete;
  JobQueue& operator=(const JobQueue&) = delete;

  /// The new job's id. Throws ApiError 429 when too many wait.
  std::string add(JobPlan plan);
  nlohmann::ordered_json list() const;
  /// Each throws ApiError 404 when there is no such job.
  nlohmann::ordered_json get(const std::string& id) const;
  /// Ends one that runs or waits; one that has ended already stays as it is. Returns the job.
  nlohmann::ordered_json cancel(const std::string& id);
  /// One that has ended leaves the list, and what it left beside its output goes, unless another job is at
  /// work there. Returns the job. Throws ApiError 409 when it has not ended.
  nlohmann::ordered_json remove(const std::string& id);
  /// Lets one that was cancelled or failed wait again: it goes on from what it left. Throws ApiError 409
  /// when there is nothing to go on with.
  nlohmann::ordered_json resume(const std::string& id);
  std::filesystem::path report(const std::string& id) const;

  /// The job as it is now, and its state's number.
  struct State {
    nlohmann::ordered_json job;
    uint64_t version;
    bool ended;
  };
  /// Waits until the job is no longer as `version` says, or for the time-out; nothing then.
  std::optional<State> wait_for_change(const std::string& id, uint64_t version,
                                       std::chrono::milliseconds timeout) const;

 private:
  struct Job {
    std::string id;
    JobPlan plan;
    int64_t created = 0;
    std::string state = "queued";
    std::optional<double> progress, eta_s;
    std::string message, error;
    bool cancelled = false;
    bool resumable = false;  ///< it has ended, and left something to go on from
    uint64_t version = 1;

    bool ended() const { return state != "queued" && state != "running"; }
  };

  void run();
  void run_job(Job& job);
  /// The child process, to its end: its exit status.
  int run_child(Job& job);
  /// Under the mutex.
  static void end(Job& job, const std::string& state);
  bool output_in_use(const std::filesystem::path& output) const;
  void take_line(Job& job, const std::string& line);
  void change(Job& job, const std::function<void()>& what);
  Job& find(const std::string& id) const;
  static nlohmann::ordered_json json(const Job& job);

  const std::string program_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<std::unique_ptr<Job>> jobs_;
  bool stopping_ = false;
  std::thread runner_;
};

}  // namespace nibble
