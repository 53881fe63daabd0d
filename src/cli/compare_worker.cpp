#include "cli/compare_worker.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/cpu.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/progress.h"
#include "cli/kv_type_option.h"
#include "evaluate/results_json.h"

namespace nibble {

namespace {

using nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr const char* kCommand = "compare-worker";

struct WorkerOptions {
  CompareJob job;
  std::string result;
};

ordered_json describe(const Checkpoint& checkpoint) {
  ordered_json types = ordered_json::object();
  for (const TensorView& tensor : checkpoint.tensors()) {
    const std::string type(dtype_name(tensor.dtype));
    types[type] = types.value(type, 0) + 1;
  }
  const ModelConfig& config = checkpoint.config();
  return {{"architecture", config.architecture},
          {"name_in_file", config.name},
          {"parameters", checkpoint.parameters()},
          {"file_bytes", checkpoint.file_bytes()},
          {"bits_per_weight", checkpoint.bits_per_weight()},
          {"tensor_types", types}};
}

ordered_json ask(const CompareJob& job, Engine& engine) {
  std::optional<fs::path> path;
  if (!job.arc.empty()) path = job.arc;
  const ArcData data = find_arc(path);
  const ArcTask task{data.source, data.questions.size(), job.seed, arc_style_from_name(job.arc_style)};
  const auto questions = sample_arc(data.questions, job.limit, job.seed);
  return to_json(task, questions, evaluate_arc(engine, questions, task.style));
}

ordered_json measure(const CompareJob& job) {
  const auto start = std::chrono::steady_clock::now();
  const auto engine = Engine::load(
      job.model, {.threads = job.threads, .affinity = job.affinity, .kv_type = job.bench.kv_type});
  const double load_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ordered_json report = {{"model", job.model}};
  report.update(describe(engine->model().checkpoint()));
  // The engine owns the model and outlives the benchmark.
  const std::shared_ptr<const Model> model(std::shared_ptr<void>(), &engine->model());
  const BenchResult bench = run_bench(model, engine->pool(), job.bench);
  // Memory is what running takes: questions come in batches that need more, and so does the roofs' buffer.
  report["load_s"] = load_s;
  report["peak_rss_bytes"] = process_usage().peak_resident_bytes;
  report["threads"] = engine->pool().size();
  report["isa"] = isa_name(selected_isa());
  const Roofs roofs = measure_roofs(engine->pool());
  report["roof"] = to_json(roofs);
  report.update(to_json(bench, weight_traffic(*model), &roofs));
  if (engine->has_tokenizer()) {
    report["arc"] = ask(job, *engine);
  } else {
    report["arc_skipped"] = "there is no tokenizer in it";
  }
  return report;
}

void work(const WorkerOptions& options) {
  Progress::set_quiet(options.job.quiet);
  ordered_json report;
  try {
    report = measure(options.job);
  } catch (const std::bad_alloc&) {
    report = {{"model", options.job.model}, {"error", "out of memory"}};
  } catch (const std::exception& error) {
    report = {{"model", options.job.model}, {"error", error.what()}};
  }
  write_file(options.result, report.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

/// A directory for the process's answer, removed in the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string path = (fs::temp_directory_path() / "nibble-compare-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr)
      fail("cannot make a directory like {}: {}", path, std::strerror(errno));
    path_ = path;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::vector<std::string> arguments_of(const CompareJob& job, const fs::path& result) {
  std::vector<std::string> arguments = {"nibble",      kCommand,
                                        "--result",    result.string(),
                                        "--arc-style", job.arc_style,
                                        "--limit",     std::to_string(job.limit),
                                        "--seed",      std::to_string(job.seed),
                                        "--prompt",    std::to_string(job.bench.prompt),
                                        "--generate",  std::to_string(job.bench.generate),
                                        "--repeat",    std::to_string(job.bench.repeat),
                                        "--kv-type",   std::string(kv_type_name(job.bench.kv_type))};
  if (job.threads > 0) arguments.insert(arguments.end(), {"--threads", std::to_string(job.threads)});
  if (job.affinity == Affinity::cores) arguments.emplace_back("--bind");
  if (job.quiet) arguments.emplace_back("--quiet");
  if (!job.arc.empty()) arguments.insert(arguments.end(), {"--arc", job.arc});
  arguments.insert(arguments.end(), {"--", job.model});
  return arguments;
}

/// Waits until the process ends; how it ended when that was not well.
std::string wait_for(pid_t process) {
  int status = 0;
  while (waitpid(process, &status, 0) < 0) {
    if (errno != EINTR) fail("cannot wait for the process of a model: {}", std::strerror(errno));
  }
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    return fmt::format("its process was ended by signal {} ({}){}", signal, strsignal(signal),
                       signal == SIGKILL ? "; most likely there was not enough memory" : "");
  }
  return WEXITSTATUS(status) == 0 ? "" : fmt::format("its process ended with status {}", WEXITSTATUS(status));
}

pid_t start(std::vector<std::string> arguments) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t parent = getpid(), process = fork();
  if (process < 0) fail("cannot start a process for a model: {}", std::strerror(errno));
  if (process > 0) return process;
  // In the child: it ends with its parent, also when that is killed.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() == parent) execv("/proc/self/exe", argv.data());
  _exit(127);
}

}  // namespace

void add_compare_worker(CLI::App& app) {
  auto options = std::make_shared<WorkerOptions>();
  CompareJob& job = options->job;
  CLI::App* command = app.add_subcommand(kCommand, "Measure one model for 'nibble compare'");
  command->group("");  // not in the help
  command->callback([options] { work(*options); });
  command->add_option("MODEL", job.model)->required();
  command->add_option("--result", options->result)->required();
  command->add_option("--arc", job.arc);
  command->add_option("--arc-style", job.arc_style);
  command->add_option("--limit", job.limit);
  command->add_option("--seed", job.seed);
  command->add_option("--prompt", job.bench.prompt);
  command->add_option("--generate", job.bench.generate);
  command->add_option("--repeat", job.bench.repeat);
  add_kv_type_option(*command, job.bench.kv_type);
  command->add_option("--threads", job.threads);
  command->add_flag_callback("--bind", [&job] { job.affinity = Affinity::cores; });
  command->add_flag("--quiet", job.quiet);
}

ordered_json run_in_process(const CompareJob& job) {
  const TemporaryDirectory directory;
  const fs::path result = directory.path() / "result.json";
  const std::string trouble = wait_for(start(arguments_of(job, result)));
  if (!trouble.empty()) return {{"model", job.model}, {"error", trouble}};
  return ordered_json::parse(read_file(result));
}

}  // namespace nibble
