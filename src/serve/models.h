#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/scheduler.h"
#include "serve/grammars.h"

namespace nibble {

/// A model that answers. Requests hold it while they run, so that it can be unloaded under them.
struct LoadedModel {
  LoadedModel(std::string id, const std::filesystem::path& path, const EngineOptions& engine_options,
              const SchedulerOptions& scheduler_options);

  const std::string id;
  const std::filesystem::path path;
  const int64_t created;  ///< seconds since 1970
  const std::unique_ptr<Engine> engine;
  const std::unique_ptr<Scheduler> scheduler;  ///< ends before its engine
  const std::unique_ptr<Grammars> grammars;

  /// Tokens per second of one answer, over the last ones; 0 before the first.
  double decode_tokens_per_s() const { return decode_rate_; }
  void count_answer(const RequestUsage& usage);

 private:
  std::atomic<double> decode_rate_{0};
};

struct ModelHubOptions {
  std::vector<std::filesystem::path> models;  ///< named by the user: loaded at once
  std::filesystem::path directory;            ///< further ones to choose from; may be empty
  EngineOptions engine;
  SchedulerOptions scheduler;
};

/// The models at hand, by their ids: a file's name without .gguf. Safe to call from several threads.
class ModelHub {
 public:
  struct Entry {
    std::string id;
    std::filesystem::path path;
  };

  explicit ModelHub(ModelHubOptions options);

  /// Loads the models that the user named. Throws Error naming the one that can't be.
  void load_named();
  /// Files of the directory, looked for anew, and those the user named.
  std::vector<Entry> entries() const;
  /// Throws ApiError 404 when there is none.
  Entry entry(const std::string& id) const;

  /// The loaded model; the first one for an empty id. Throws ApiError 404 that says which there are.
  std::shared_ptr<LoadedModel> get(const std::string& id) const;
  std::shared_ptr<LoadedModel> find_loaded(const std::string& id) const;  ///< null when it is not loaded
  std::vector<std::shared_ptr<LoadedModel>> loaded() const;               ///< in the order of loading

  /// Throws ApiError when there is no such model or it can't be loaded.
  std::shared_ptr<LoadedModel> load(const std::string& id);
  /// Answers that run go on. Throws ApiError when it is not loaded.
  void unload(const std::string& id);
  /// No model takes requests any more; returns when all answers have ended.
  void drain();

  const std::filesystem::path& directory() const { return options_.directory; }

 private:
  ModelHubOptions options_;
  mutable std::mutex mutex_;
  std::mutex loading_;  ///< one at a time: loading takes all cores
  std::vector<std::shared_ptr<LoadedModel>> loaded_;
};

}  // namespace nibble
