#include "serve/models.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/error.h"
#include "serve/api_error.h"

namespace nibble {

namespace {

namespace fs = std::filesystem;

int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

EngineOptions with_tokenizer(EngineOptions options) {
  options.needs_tokenizer = true;
  return options;
}

bool is_model(const fs::directory_entry& entry) {
  std::error_code ignored;
  if (entry.is_regular_file(ignored)) return entry.path().extension() == ".gguf";
  return entry.is_directory(ignored) && fs::exists(entry.path() / "config.json", ignored);
}

/// A name that no other model has.
std::string unique_id(const fs::path& path, std::set<std::string>& taken) {
  const fs::path clean = path.filename().empty() ? path.parent_path() : path;
  const std::string name = clean.extension() == ".gguf" ? clean.stem().string() : clean.filename().string();
  std::string id = name;
  for (int i = 2; !taken.insert(id).second; ++i) id = fmt::format("{}-{}", name, i);
  return id;
}

}  // namespace

LoadedModel::LoadedModel(std::string id_, const fs::path& path_, const EngineOptions& engine_options,
                         const SchedulerOptions& scheduler_options)
    : id(std::move(id_)),
      path(path_),
      created(now_s()),
      engine(Engine::load(path, with_tokenizer(engine_options))),
      scheduler(std::make_unique<Scheduler>(*engine, scheduler_options)),
      grammars(std::make_unique<Grammars>(*engine)) {
  try {
    engine->chat_template();  // parsed here, while nobody else looks: it is made when first asked for
  } catch (const Error&) {
    // The model completes texts all the same; who wants to chat gets this error.
  }
}

void LoadedModel::count_answer(const RequestUsage& usage) {
  if (usage.decode_s <= 0 || usage.completion_tokens < 2) return;
  const double rate = (usage.completion_tokens - 1) / usage.decode_s, before = decode_rate_;
  decode_rate_ = before > 0 ? 0.8 * before + 0.2 * rate : rate;
}

ModelHub::ModelHub(ModelHubOptions options) : options_(std::move(options)) {}

void ModelHub::load_named() {
  for (const Entry& entry : entries()) {
    const bool named =
        std::find(options_.models.begin(), options_.models.end(), entry.path) != options_.models.end();
    if (!named) continue;
    auto model = std::make_shared<LoadedModel>(entry.id, entry.path, options_.engine, options_.scheduler);
    const std::lock_guard lock(mutex_);
    loaded_.push_back(std::move(model));
  }
}

std::vector<ModelHub::Entry> ModelHub::entries() const {
  std::vector<Entry> result;
  std::set<std::string> ids;
  for (const fs::path& path : options_.models) result.push_back({unique_id(path, ids), path});
  if (options_.directory.empty()) return result;
  std::error_code ignored;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(options_.directory, ignored)) {
    if (is_model(entry)) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  for (const fs::path& path : found) {
    const bool named =
        std::any_of(options_.models.begin(), options_.models.end(),
                    [&](const fs::path& other) { return fs::equivalent(path, other, ignored); });
    if (!named) result.push_back({unique_id(path, ids), path});
  }
  return result;
}

ModelHub::Entry ModelHub::entry(const std::string& id) const {
  for (Entry& entry : entries()) {
    if (entry.id == id) return std::move(entry);
  }
  throw ApiError(404, fmt::format("there is no model '{}'; /api/models lists them", id), "id",
                 "model_not_found");
}

std::shared_ptr<LoadedModel> ModelHub::find_loaded(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(loaded_.begin(), loaded_.end(), [&](const auto& model) { return model->id == id; });
  return found == loaded_.end() ? nullptr : *found;
}

std::shared_ptr<LoadedModel> ModelHub::get(const std::string& id) const {
  const auto models = loaded();
  if (models.empty()) throw ApiError(404, "no model is loaded", "model", "model_not_found");
  if (id.empty()) return models.front();
  std::string ids;
  for (const auto& model : models) {
    if (model->id == id) return model;
    ids += (ids.empty() ? "" : ", ") + model->id;
  }
  throw ApiError(404, fmt::format("the model '{}' is not loaded; there is {}", id, ids), "model",
                 "model_not_found");
}

std::vector<std::shared_ptr<LoadedModel>> ModelHub::loaded() const {
  const std::lock_guard lock(mutex_);
  return loaded_;
}

std::shared_ptr<LoadedModel> ModelHub::load(const std::string& id) {
  const Entry wanted = entry(id);
  const std::lock_guard one(loading_);
  if (auto there = find_loaded(id)) return there;
  EngineOptions engine = options_.engine;
  const bool named =
      std::find(options_.models.begin(), options_.models.end(), wanted.path) != options_.models.end();
  if (!named) engine.draft_model.clear();  // it may have other tokens
  try {
    auto model = std::make_shared<LoadedModel>(id, wanted.path, engine, options_.scheduler);
    const std::lock_guard lock(mutex_);
    return loaded_.emplace_back(std::move(model));
  } catch (const std::bad_alloc&) {
    throw ApiError(507, fmt::format("the model '{}' does not fit the memory that is left", id), "id",
                   "out_of_memory");
  } catch (const Error& error) {
    throw ApiError(422, error.what(), "id", "model_not_loadable");
  }
}

void ModelHub::unload(const std::string& id) {
  std::shared_ptr<LoadedModel> model;  // is freed after the lock
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(loaded_.begin(), loaded_.end(), [&](const auto& m) { return m->id == id; });
  if (found == loaded_.end()) {
    throw ApiError(404, fmt::format("the model '{}' is not loaded", id), "id", "model_not_found");
  }
  model = std::move(*found);
  loaded_.erase(found);
}

void ModelHub::drain() {
  for (const auto& model : loaded()) model->scheduler->drain();
}

}  // namespace nibble
