#include "serve/jobs.h"

#include <algorithm>

#include "serve/api_error.h"
#include "serve/child_process.h"
#include "serve/job_leftovers.h"
#include "serve/server_state.h"

namespace nibble {

namespace {

constexpr size_t kMostWaiting = 32, kMostKept = 100;
constexpr std::chrono::milliseconds kReadPoll{100};
/// How long a job may take to end when it is asked to.
constexpr std::chrono::seconds kStopTime{10};

}  // namespace

JobQueue::JobQueue(std::string program) : program_(std::move(program)), runner_([this] { run(); }) {}

JobQueue::~JobQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& job : jobs_) job->cancelled = true;
  }
  changed_.notify_all();
  runner_.join();
}

std::string JobQueue::add(JobPlan plan) {
  const std::lock_guard lock(mutex_);
  if (output_in_use(plan.output)) {
    throw ApiError(409, "another job writes this output already: choose another name", "output");
  }
  const auto waiting = std::ranges::count_if(jobs_, [](const auto& job) { return !job->ended(); });
  if (size_t(waiting) >= kMostWaiting)
    throw ApiError(429, "too many jobs wait already: cancel some", {}, "queue_full");
  while (jobs_.size() >= kMostKept && jobs_.front()->ended()) jobs_.pop_front();
  auto job = std::make_unique<Job>();
  job->id = new_id("job-");
  job->plan = std::move(plan);
  job->created = unix_time();
  jobs_.push_back(std::move(job));
  changed_.notify_all();
  return jobs_.back()->id;
}

nlohmann::ordered_json JobQueue::list() const {
  const std::lock_guard lock(mutex_);
  auto all = nlohmann::ordered_json::array();
  for (const auto& job : jobs_) all.push_back(json(*job));
  return all;
}

nlohmann::ordered_json JobQueue::get(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return json(find(id));
}

bool JobQueue::output_in_use(const std::filesystem::path& output) const {
  return std::ranges::any_of(jobs_,
                             [&](const auto& job) { return !job->ended() && job->plan.output == output; });
}

nlohmann::ordered_json JobQueue::remove(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Job& job = find(id);
  if (!job.ended())
    throw ApiError(409, fmt::format("the job is {}: cancel it before it is deleted", job.state), "id");
  if (!output_in_use(job.plan.output)) remove_leftovers(job.plan.output);
  job.resumable = false;
  auto last = json(job);
  std::erase_if(jobs_, [&](const auto& other) { return other.get() == &job; });
  return last;
}

nlohmann::ordered_json JobQueue::cancel(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Job& job = find(id);
  if (job.ended()) return json(job);
  job.cancelled = true;
  if (job.state == "queued") end(job, "cancelled");
  ++job.version;
  changed_.notify_all();
  return json(job);
}

nlohmann::ordered_json JobQueue::resume(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Job& job = find(id);
  const std::string name = job.plan.output.filename().string();
  if (!job.ended())
    throw ApiError(409, fmt::format("the job is {}: only one that has ended can be resumed", job.state),
                   "id");
  if (job.state == "done" || std::filesystem::exists(job.plan.output)) {
    throw ApiError(409, fmt::format("{} is there already: there is nothing to resume", name), "id");
  }
  if (output_in_use(job.plan.output))
    throw ApiError(409, fmt::format("another job writes {} already", name), "id");
  job.state = "queued";
  job.cancelled = job.resumable = false;
  job.progress.reset();
  job.message.clear();
  job.error.clear();
  ++job.version;
  changed_.notify_all();
  return json(job);
}

void JobQueue::end(Job& job, const std::string& state) {
  job.state = state;
  job.eta_s.reset();
  job.resumable = state != "done" && may_go_on(job.plan.output);
  if (state == "cancelled") {
    job.message =
        job.resumable ? "cancelled; what was computed is kept, so that the job can be resumed" : "cancelled";
  }
}

std::filesystem::path JobQueue::report(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return find(id).plan.report;
}

std::optional<JobQueue::State> JobQueue::wait_for_change(const std::string& id, uint64_t version,
                                                         std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  const auto end = std::chrono::steady_clock::now() + timeout;
  while (true) {
    const Job& job = find(id);  // may have been forgotten meanwhile
    if (job.version != version) return State{json(job), job.version, job.ended()};
    if (stopping_ || changed_.wait_until(lock, end) == std::cv_status::timeout) return {};
  }
}

JobQueue::Job& JobQueue::find(const std::string& id) const {
  const auto found = std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& job) { return job->id == id; });
  if (found == jobs_.end())
    throw ApiError(404, fmt::format("there is no job '{}'", id), "id", "job_not_found");
  return **found;
}

nlohmann::ordered_json JobQueue::json(const Job& job) {
  using Json = nlohmann::ordered_json;
  return {{"id", job.id},
          {"kind", job.plan.kind},
          {"model", job.plan.model},
          {"state", job.state},
          {"progress", job.progress ? Json(*job.progress) : Json()},
          {"message", job.message},
          {"eta_s", job.eta_s ? Json(*job.eta_s) : Json()},
          {"error", job.error.empty() ? Json() : Json(job.error)},
          {"resumable", job.resumable},
          {"output", job.plan.output.filename().string()},
          {"created", job.created}};
}

void JobQueue::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto next =
        std::find_if(jobs_.begin(), jobs_.end(), [](const auto& job) { return job->state == "queued"; });
    if (next == jobs_.end()) {
      changed_.wait(lock);
      continue;
    }
    Job& job = **next;  // is kept while it runs
    job.state = "running";
    ++job.version;
    changed_.notify_all();
    lock.unlock();
    run_job(job);
    lock.lock();
  }
}

void JobQueue::change(Job& job, const std::function<void()>& what) {
  {
    const std::lock_guard lock(mutex_);
    what();
    ++job.version;
  }
  changed_.notify_all();
}

int JobQueue::run_child(Job& job) {
  std::vector<std::string> arguments = {program_};
  arguments.insert(arguments.end(), job.plan.arguments.begin(), job.plan.arguments.end());
  ChildProcess child(arguments, {"NIBBLE_PROGRESS_SECONDS=0.5"});
  std::optional<std::chrono::steady_clock::time_point> asked;
  for (std::string line;;) {
    const auto read = child.read_line(line, kReadPoll);
    if (read == ChildProcess::Read::end) break;
    if (read == ChildProcess::Read::line) take_line(job, line);
    const auto now = std::chrono::steady_clock::now();
    const bool cancelled = [&] {
      const std::lock_guard lock(mutex_);
      return job.cancelled;
    }();
    if (cancelled && !asked) {
      child.stop(false);
      asked = now;
    }
    if (asked && now - *asked > kStopTime) child.stop(true);
  }
  return child.wait();
}

void JobQueue::run_job(Job& job) {
  try {
    const int status = run_child(job);
    change(job, [&] {
      end(job, status == 0 ? "done" : job.cancelled ? "cancelled" : "failed");
      if (status == 0) job.progress = 1;
      if (job.state != "failed") job.error.clear();
      if (job.state == "failed" && job.error.empty()) job.error = fmt::format("ended with status {}", status);
    });
  } catch (const std::exception& error) {
    change(job, [&] {
      end(job, "failed");
      job.error = error.what();
    });
  }
}

void JobQueue::take_line(Job& job, const std::string& line) {
  constexpr std::string_view kError = "nibble: ";
  if (line.empty()) return;
  change(job, [&] {
    if (const auto progress = parse_progress(line)) {
      job.progress = progress->share;
      job.eta_s = progress->eta_s;
      job.message = progress->message;
    } else if (line.starts_with(kError)) {
      job.error = line.substr(kError.size());
    } else {
      job.message = line;
    }
  });
}

}  // namespace nibble
