#include "sampling/grammar/grammar.h"

#include <mutex>
#include <unordered_map>

#include "base/error.h"
#include "sampling/grammar/configuration.h"
#include "sampling/grammar/json_schema.h"
#include "sampling/grammar/regex.h"

namespace nibble {

namespace {

using Mask = std::vector<uint64_t>;

/// Beyond so many a cache begins anew: some tens of megabytes.
constexpr size_t kMostConfigurations = 20'000, kMostMaskWords = 4'000'000;

/// A state that walks have met so often is worth a look at all of its bytes.
constexpr uint32_t kVisitsOfLoops = 500;

}  // namespace

/// What was found out about the automaton's states so far.
struct Grammar::Cache {
  std::mutex mutex;  ///< over all of it, and over the pool that its states share
  std::shared_ptr<const Automaton> automaton;
  std::shared_ptr<ConfigurationPool> pool;
  std::unordered_map<const Configuration*, std::shared_ptr<const Mask>> masks;

  std::shared_ptr<const Mask> mask(const Configuration* from, const TokenTable& tokens);
  uint64_t loops(const Configuration* configuration);
  Mask compute_mask(const Configuration* from, const TokenTable& tokens);
  void renew_when_full(size_t words) {
    if (pool->size() <= kMostConfigurations && masks.size() * words <= kMostMaskWords) return;
    masks.clear();
    pool = std::make_shared<ConfigurationPool>(automaton);
  }
};

/// Inside of a string most bytes lead back to where they came from: what hangs below a token's node there
/// need not be walked when it has no other bytes.
uint64_t Grammar::Cache::loops(const Configuration* configuration) {
  uint64_t all = ~uint64_t(0);
  for (int byte = 0; byte < 256; ++byte) {
    if (pool->step(configuration, uint8_t(byte)) != configuration)
      all &= ~TokenTable::byte_class(uint8_t(byte));
  }
  return all;
}

/// Walks the tree of tokens beside the automaton and leaves out what hangs below a byte that leads nowhere.
Mask Grammar::Cache::compute_mask(const Configuration* from, const TokenTable& tokens) {
  Mask mask((tokens.size() + 63) / 64);
  const auto set = [&](int32_t id) { mask[size_t(id) / 64] |= uint64_t(1) << (id % 64); };
  if (from->may_end) {
    for (const int32_t id : tokens.ends()) set(id);
  }
  const auto nodes = tokens.nodes();
  std::vector<const Configuration*> path(tokens.longest() + 1);  // after each byte of the present token
  path[0] = from;
  for (size_t i = 0; i < nodes.size();) {
    const TokenTable::Node& node = nodes[i];
    const Configuration* here = path[node.depth];
    const Configuration* next = here->next ? (*here->next)[node.byte] : nullptr;
    if (next == nullptr) next = pool->step(here, node.byte);
    if (next == pool->dead()) {
      i = node.next;
      continue;
    }
    path[node.depth + 1] = next;
    if (++next->visits == kVisitsOfLoops) next->loops = loops(next);
    if (node.below != 0 && (node.below & ~next->loops) == 0) {
      for (const int32_t id : tokens.ids_from(i)) set(id);
      i = node.next;
      continue;
    }
    for (const int32_t id : tokens.ids(i)) set(id);
    ++i;
  }
  return mask;
}

std::shared_ptr<const Mask> Grammar::Cache::mask(const Configuration* from, const TokenTable& tokens) {
  std::shared_ptr<const Mask>& known = masks[from];
  if (known) return known;
  const Configuration* same = pool->without_far_counts(from, uint32_t(tokens.longest()));
  if (same != from) return known = mask(same, tokens);
  return known = std::make_shared<const Mask>(compute_mask(from, tokens));
}

Grammar::Grammar(std::shared_ptr<const TokenTable> tokens, std::shared_ptr<const Automaton> automaton)
    : tokens_(std::move(tokens)), cache_(std::make_unique<Cache>()) {
  cache_->automaton = std::move(automaton);
  cache_->pool = std::make_shared<ConfigurationPool>(cache_->automaton);
}

Grammar::~Grammar() = default;

std::shared_ptr<const Grammar> Grammar::from_regex(std::string_view regex,
                                                   std::shared_ptr<const TokenTable> tokens) {
  return std::shared_ptr<const Grammar>(new Grammar(std::move(tokens), regex_automaton(regex)));
}

std::shared_ptr<const Grammar> Grammar::from_json_schema(std::string_view schema,
                                                         std::shared_ptr<const TokenTable> tokens) {
  return std::shared_ptr<const Grammar>(new Grammar(std::move(tokens), json_schema_automaton(schema)));
}

std::shared_ptr<const Grammar> Grammar::json_object(std::shared_ptr<const TokenTable> tokens) {
  return from_json_schema(R"({"type": "object"})", std::move(tokens));
}

GrammarState::GrammarState(std::shared_ptr<const Grammar> grammar) : grammar_(std::move(grammar)) {
  const std::lock_guard lock(grammar_->cache_->mutex);
  pool_ = grammar_->cache_->pool;
  here_ = pool_->start();
}

/// Moves over to the grammar's present cache.
void GrammarState::refresh() {
  Grammar::Cache& cache = *grammar_->cache_;
  cache.renew_when_full((grammar_->tokens().size() + 63) / 64);
  if (pool_ == cache.pool) return;
  here_ = cache.pool->import(here_, *pool_);
  pool_ = cache.pool;
}

std::span<const uint64_t> GrammarState::allowed() {
  const std::lock_guard lock(grammar_->cache_->mutex);
  if (!mask_) {
    refresh();
    mask_ = ended_ ? std::make_shared<const Mask>((grammar_->tokens().size() + 63) / 64)
                   : grammar_->cache_->mask(here_, grammar_->tokens());
  }
  return *mask_;
}

bool GrammarState::accept(int32_t token) {
  const TokenTable& tokens = grammar_->tokens();
  if (ended_ || token < 0 || size_t(token) >= tokens.size()) return false;
  if (tokens.is_end(token)) {
    if (!may_end()) return false;
    mask_.reset();
    return ended_ = true;
  }
  const std::string& bytes = tokens.bytes(token);
  const std::lock_guard lock(grammar_->cache_->mutex);
  refresh();
  const Configuration* next = here_;
  for (const char byte : bytes) next = pool_->step(next, uint8_t(byte));
  if (bytes.empty() || next == pool_->dead()) return false;
  here_ = next;
  mask_.reset();
  return true;
}

bool GrammarState::may_end() const {
  return here_->may_end;
}

}  // namespace nibble
