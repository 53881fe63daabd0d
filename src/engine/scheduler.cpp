#include "engine/scheduler.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>

#include "base/free_memory.h"
#include "engine/batcher.h"

namespace nibble {

/// What the scheduler's thread and the handle share. The thread gives, the handle takes.
struct RequestHandle::State {
  const std::unique_ptr<RunningRequest> request;  ///< the scheduler's own, under no lock
  const uint64_t seed;

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<AnswerPiece> pieces;
  bool ended = false, cancelled = false;
  std::exception_ptr error;
  RequestUsage usage;
  std::vector<TokenLogprob> prompt_logprobs;  ///< no longer changes once it has any

  explicit State(std::unique_ptr<RunningRequest> running)
      : request(std::move(running)), seed(request->seed()), usage(request->usage()) {}

  bool wants_cancel() {
    const std::lock_guard lock(mutex);
    return cancelled;
  }

  /// Takes over what the request has for its client.
  void deliver() {
    const std::lock_guard lock(mutex);
    for (AnswerPiece& piece : request->take_pieces()) pieces.push_back(std::move(piece));
    usage = request->usage();
    if (prompt_logprobs.empty() && request->prompt_complete()) prompt_logprobs = request->prompt_logprobs();
    ended = request->ended();
    if (ended && !error) error = request->error();
    changed.notify_all();
  }
};

RequestHandle::RequestHandle(std::shared_ptr<State> state) : state_(std::move(state)) {}

RequestHandle::~RequestHandle() {
  cancel();
}

std::optional<AnswerPiece> RequestHandle::next(std::chrono::milliseconds timeout) {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait_for(lock, timeout, [&] { return !state_->pieces.empty() || state_->ended; });
  if (state_->pieces.empty()) {
    if (state_->error) std::rethrow_exception(std::exchange(state_->error, nullptr));
    return {};
  }
  AnswerPiece piece = std::move(state_->pieces.front());
  state_->pieces.pop_front();
  return piece;
}

bool RequestHandle::done() const {
  const std::lock_guard lock(state_->mutex);
  return state_->ended && state_->pieces.empty() && !state_->error;
}

void RequestHandle::cancel() {
  const std::lock_guard lock(state_->mutex);
  state_->cancelled = true;
}

RequestUsage RequestHandle::usage() const {
  const std::lock_guard lock(state_->mutex);
  return state_->usage;
}

std::span<const TokenLogprob> RequestHandle::prompt_logprobs() const {
  const std::lock_guard lock(state_->mutex);
  return state_->prompt_logprobs;
}

uint64_t RequestHandle::seed() const {
  return state_->seed;
}

namespace {

using StatePtr = std::shared_ptr<RequestHandle::State>;

uint32_t choose_blocks(const Engine::Impl& engine, const SchedulerOptions& options) {
  const ModelConfig& config = engine.model->config();
  uint64_t block = KvCache::bytes_for(config, 1, kKvBlock, engine.kv_type);
  if (engine.draft) {
    block += KvCache::bytes_for(engine.draft->model().config(), 1, kKvBlock, engine.kv_type);
  }
  const uint64_t context = kv_blocks(engine.context);
  uint64_t blocks = options.cache_bytes / block;
  if (options.cache_bytes == 0) {
    blocks = std::min(options.max_sequences * context, free_memory() / 2 / block);
    blocks = std::max(blocks, context);
  }
  if (blocks == 0) {
    fail("a KV cache of {} bytes holds nothing: {} tokens take {} (--cache-memory)", options.cache_bytes,
         kKvBlock, block);
  }
  return uint32_t(std::min<uint64_t>(blocks, std::numeric_limits<uint32_t>::max()));
}

uint32_t checked_sequences(const SchedulerOptions& options) {
  constexpr uint32_t kMost = 256;  // more would not make the kernels faster
  if (options.max_sequences == 0 || options.max_sequences > kMost) {
    throw_usage("{} sequences at the same time: must be from 1 to {} (--max-sequences)",
                options.max_sequences, kMost);
  }
  return options.max_sequences;
}

}  // namespace

struct Scheduler::Impl {
  Impl(Engine::Impl& engine_, const SchedulerOptions& options_)
      : engine(engine_),
        options(options_),
        batcher(engine_, checked_sequences(options), choose_blocks(engine_, options)) {
    thread = std::thread([this] { loop(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    changed.notify_all();
    thread.join();
  }

  StatePtr submit(std::unique_ptr<RunningRequest> request);
  void loop();
  bool wait_for_work();
  void admit_waiting();
  void drop_cancelled();
  void drop_cancelled_waiting();  ///< under the mutex
  void cancel_all();
  void step();
  void publish();

  Engine::Impl& engine;
  const SchedulerOptions options;
  Batcher batcher;               ///< the thread's
  std::vector<StatePtr> active;  ///< the thread's

  mutable std::mutex mutex;
  std::condition_variable changed;  ///< there is work, or there is none any more
  std::deque<StatePtr> queue;
  bool stopping = false, draining = false;
  SchedulerStatus status;

  std::thread thread;
};

StatePtr Scheduler::Impl::submit(std::unique_ptr<RunningRequest> request) {
  batcher.check(*request);
  auto state = std::make_shared<RequestHandle::State>(std::move(request));
  {
    const std::lock_guard lock(mutex);
    if (stopping || draining) fail("the scheduler takes no more requests: it is being shut down");
    drop_cancelled_waiting();
    if (queue.size() >= options.max_queue) {
      throw QueueFull(
          fmt::format("{} requests wait already, the most there may be: try again later, or raise "
                      "--max-queue",
                      queue.size()));
    }
    queue.push_back(state);
    status.queued = uint32_t(queue.size());
  }
  changed.notify_all();
  return state;
}

bool Scheduler::Impl::wait_for_work() {
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return stopping || !queue.empty() || !active.empty(); });
  return !stopping;
}

void Scheduler::Impl::drop_cancelled() {
  for (const StatePtr& state : active) {
    if (!state->wants_cancel()) continue;
    batcher.cancel(*state->request);
    state->deliver();
  }
  std::erase_if(active, [](const StatePtr& state) { return state->request->ended(); });
  const std::lock_guard lock(mutex);
  drop_cancelled_waiting();
}

void Scheduler::Impl::drop_cancelled_waiting() {
  std::erase_if(queue, [](const StatePtr& state) {
    if (!state->wants_cancel()) return false;
    state->request->cancel_waiting();
    state->deliver();
    return true;
  });
}

/// In the order in which they came: one that needs much does not wait for ever behind small ones.
void Scheduler::Impl::admit_waiting() {
  const std::lock_guard lock(mutex);
  while (!queue.empty() && batcher.fits(*queue.front()->request)) {
    batcher.add(*queue.front()->request);
    active.push_back(std::move(queue.front()));
    queue.pop_front();
  }
  status.queued = uint32_t(queue.size());
  status.active = uint32_t(active.size());
}

void Scheduler::Impl::step() {
  try {
    batcher.step();
  } catch (...) {
    // Nothing of the step is certain: what took part in it fails.
    for (const StatePtr& state : active) {
      state->request->set_error(std::current_exception());
      batcher.cancel(*state->request);
    }
  }
  for (const StatePtr& state : active) state->deliver();
  std::erase_if(active, [](const StatePtr& state) { return state->request->ended(); });
}

void Scheduler::Impl::cancel_all() {
  const std::lock_guard lock(mutex);
  for (const StatePtr& state : active) {
    batcher.cancel(*state->request);
    state->deliver();
  }
  for (const StatePtr& state : queue) {
    state->request->cancel_waiting();
    state->deliver();
  }
  active.clear();
  queue.clear();
}

void Scheduler::Impl::publish() {
  {
    const std::lock_guard lock(mutex);
    const SequencePool& pool = batcher.pool();
    status.active = uint32_t(active.size());
    status.queued = uint32_t(queue.size());
    status.sequences = pool.running();
    status.cache_used_bytes = pool.cache().used_bytes();
    status.cache_bytes = pool.cache().bytes();
    if (const DraftPool* drafts = batcher.drafts()) {
      status.draft_cache_used_bytes = drafts->cache().used_bytes();
      status.draft_cache_bytes = drafts->cache().bytes();
    }
    status.computed = batcher.computed();
    status.generated = batcher.generated();
    status.reused = batcher.reused();
  }
  changed.notify_all();
}

void Scheduler::Impl::loop() {
  publish();
  while (wait_for_work()) {
    drop_cancelled();
    admit_waiting();
    step();
    publish();
  }
  cancel_all();
  publish();
}

Scheduler::Scheduler(Engine& engine, const SchedulerOptions& options)
    : impl_(std::make_unique<Impl>(*engine.impl_, options)) {}

Scheduler::~Scheduler() = default;

std::shared_ptr<RequestHandle> Scheduler::submit(Request request) {
  auto running = std::make_unique<RunningRequest>(impl_->engine, std::move(request));
  return std::make_shared<RequestHandle>(impl_->submit(std::move(running)));
}

std::vector<float> Scheduler::embed(std::vector<int32_t> tokens) {
  const StatePtr state = impl_->submit(std::make_unique<RunningRequest>(impl_->engine, std::move(tokens)));
  std::unique_lock lock(state->mutex);
  state->changed.wait(lock, [&] { return state->ended; });
  if (state->error) std::rethrow_exception(state->error);
  if (!state->request->prompt_complete())
    fail("the embedding was given up: the scheduler is being shut down");
  return state->request->embedding();
}

SchedulerStatus Scheduler::status() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->status;
}

void Scheduler::drain() {
  std::unique_lock lock(impl_->mutex);
  impl_->draining = true;
  impl_->changed.wait(lock, [&] { return impl_->queue.empty() && impl_->status.active == 0; });
}

}  // namespace nibble
