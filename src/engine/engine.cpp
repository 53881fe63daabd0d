#include "engine/engine.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "engine/batcher.h"
#include "engine/chat_prompt.h"
#include "engine/engine_impl.h"
#include "engine/vocabulary_loader.h"

namespace nibble {

namespace {

/// A longer one costs memory that most conversations never use: who needs it asks.
constexpr uint32_t kDefaultContext = 4096;

uint32_t choose_context(const Checkpoint& checkpoint, uint32_t wanted) {
  const uint32_t most = checkpoint.config().context_length;
  if (wanted > most) {
    throw_usage("{}: the model was made for a context of {} tokens, not {}: ask for at most {} (--context)",
                checkpoint.path().string(), most, wanted, most);
  }
  return wanted ? wanted : std::min(most, kDefaultContext);
}

}  // namespace

Engine::Impl::Impl(const std::shared_ptr<const Checkpoint>& checkpoint, const EngineOptions& options)
    : kv_type(options.kv_type),
      context(choose_context(*checkpoint, options.context)),
      pool(options.threads, options.affinity),
      model(Model::load(checkpoint, pool)),
      forward(model, pool) {
  if (has_vocabulary(*checkpoint)) tokenizer = Tokenizer::create(load_vocabulary(*checkpoint));
}

Engine::Impl::~Impl() = default;

Batcher& Engine::Impl::conversation(uint32_t sequences) {
  if (!conversation_ || conversation_->pool().max_running() < sequences) {
    conversation_.reset();  // before the new one is made: never two
    conversation_ = std::make_unique<Batcher>(*this, sequences, uint32_t(sequences * kv_blocks(context)));
  }
  return *conversation_;
}

KvCache& Engine::Impl::work_cache(uint32_t sequences, uint32_t capacity) {
  if (!work || work->sequences() < sequences || work->capacity() < capacity) {
    work.reset();  // before the new one is made: never two
    work = std::make_unique<KvCache>(model->config(), sequences, capacity, kv_type);
  }
  for (uint32_t s = 0; s < work->sequences(); ++s) work->truncate(s, 0);
  return *work;
}

bool Engine::Impl::needs_one_pass(size_t length) const {
  const RopeConfig& rope = model->config().rope;
  return rope.scaling == RopeScaling::dynamic && length > rope.original_context;
}

Engine::Engine() = default;
Engine::~Engine() = default;

std::unique_ptr<Engine> Engine::load(const std::filesystem::path& model, const EngineOptions& options) {
  std::unique_ptr<Engine> engine(new Engine());
  auto checkpoint = Checkpoint::open(model);
  if (options.needs_tokenizer && !has_vocabulary(*checkpoint)) fail_without_vocabulary(model.string());
  engine->impl_ = std::make_unique<Impl>(std::move(checkpoint), options);
  if (!options.draft_model.empty()) engine->impl_->load_draft(options.draft_model);
  return engine;
}

const Model& Engine::model() const {
  return *impl_->model;
}
bool Engine::has_tokenizer() const {
  return impl_->tokenizer != nullptr;
}
uint32_t Engine::context() const {
  return impl_->context;
}
ThreadPool& Engine::pool() {
  return impl_->pool;
}

const Tokenizer& Engine::tokenizer() const {
  if (!impl_->tokenizer) fail_without_vocabulary(model().checkpoint().path().string());
  return *impl_->tokenizer;
}

bool Engine::has_chat_template() const {
  return impl_->template_set || (has_tokenizer() && !tokenizer().vocabulary().chat_template.empty());
}

const ChatTemplate& Engine::chat_template() const {
  if (!impl_->chat_template) {
    const std::string& source = tokenizer().vocabulary().chat_template;
    impl_->chat_template.emplace(source.empty() ? ChatTemplate::preset("chatml") : ChatTemplate(source));
  }
  return *impl_->chat_template;
}

void Engine::set_chat_template(ChatTemplate chat_template) {
  impl_->chat_template.emplace(std::move(chat_template));
  impl_->template_set = true;
}

void Engine::use_own_chat_template() {
  impl_->chat_template.reset();
  impl_->template_set = false;
}

EngineMemory Engine::memory() const {
  EngineMemory memory{impl_->model->weight_bytes(), 0};
  if (impl_->draft) memory.weight_bytes += impl_->draft->model().weight_bytes();
  if (const Batcher* conversation = impl_->conversation_.get()) {
    memory.cache_bytes += conversation->pool().cache().bytes();
    if (conversation->drafts()) memory.cache_bytes += conversation->drafts()->cache().bytes();
  }
  if (impl_->work) memory.cache_bytes += impl_->work->bytes();
  return memory;
}

std::vector<int32_t> Engine::encode_chat(const std::vector<ChatMessage>& messages) const {
  nlohmann::ordered_json context = {{"messages", nlohmann::ordered_json::array()},
                                    {"add_generation_prompt", true}};
  for (const ChatMessage& message : messages) {
    context["messages"].push_back({{"role", message.role}, {"content", message.content}});
  }
  return encode_rendered(tokenizer(), render_chat(chat_template(), tokenizer(), std::move(context)));
}

void Engine::logits(
    std::span<const int32_t> tokens,
    const std::function<void(size_t first, std::span<const float> logits, size_t rows)>& on_logits,
    size_t from) {
  KvCache& cache = impl_->work_cache(1, uint32_t(std::min<size_t>(tokens.size(), UINT32_MAX)));
  std::vector<BatchToken> batch;
  for (size_t i = 0; i < tokens.size(); ++i) batch.push_back({tokens[i], 0, i >= from});
  impl_->forward.run(batch, cache, [&](std::span<const float> rows) {
    const size_t count = rows.size() / model().config().vocab;
    on_logits(std::exchange(from, from + count), rows, count);
  });
}

}  // namespace nibble
