#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "sampling/grammar/automaton.h"

namespace nibble {

/// A grammar whose texts can be read in too many ways: known only when a text comes to where they are.
class AmbiguousGrammar : public Error {
 public:
  using Error::Error;
};

/// A place in the automaton: a node, how often its repetition was done, and the place to go on at when the
/// node's rule ends.
struct Position {
  /// Counts that stay as they are: done often enough or not yet, and both bounds far away.
  static constexpr uint32_t kEnough = Automaton::kNone, kTooFew = Automaton::kNone - 1;

  Automaton::Node node;
  uint32_t count;
  uint32_t parent;  ///< an id of the pool, or Automaton::kNone
  bool operator==(const Position&) const = default;
};

/// All the places that a text may have come to: a state of the deterministic automaton.
struct Configuration {
  std::vector<uint32_t> positions;  ///< ids of the pool, in order; each reads a byte
  bool may_end = false;
  /// Where each byte leads, as far as it was asked: null for not yet known, `dead()` for nowhere.
  mutable std::unique_ptr<std::array<const Configuration*, 256>> next;
  /// Classes of bytes (TokenTable::byte_class) that all lead back here, once that was asked often enough.
  mutable uint64_t loops = 0;
  mutable uint32_t visits = 0;
};

/// Makes the automaton deterministic, state by state as texts come to them (the subset construction, over
/// stacks that share their common parts). Not safe for several threads.
class ConfigurationPool {
 public:
  explicit ConfigurationPool(std::shared_ptr<const Automaton> automaton);

  const Configuration* start() const { return start_; }
  const Configuration* dead() const { return dead_; }
  const Configuration* step(const Configuration* from, uint8_t byte);
  /// The same configuration of another pool, in this one.
  const Configuration* import(const Configuration* other, const ConfigurationPool& from);
  /// A configuration that allows the same texts of up to `bytes` bytes, and is the same one for all counts of
  /// a repetition whose bounds lie further away than that: they are taken for endless.
  const Configuration* without_far_counts(const Configuration* configuration, uint32_t bytes);
  size_t size() const { return configurations_.size(); }

 private:
  struct Hash {
    size_t operator()(const Position& p) const;
    size_t operator()(const std::vector<uint32_t>& positions) const;
  };
  uint32_t intern(const Position& position);
  const Configuration* intern(std::vector<uint32_t> positions, bool may_end);
  /// The configuration of these positions and all that they reach without reading.
  const Configuration* close(std::vector<uint32_t> todo);
  void expand(const Position& position, std::vector<uint32_t>& todo);
  uint32_t import(uint32_t position, const ConfigurationPool& from);
  uint32_t without_far_counts(uint32_t position, uint32_t bytes);

  std::shared_ptr<const Automaton> automaton_;
  std::vector<Position> positions_;
  std::vector<uint8_t> counted_;  ///< [positions], its or a parent's repetition is counted
  std::unordered_map<Position, uint32_t, Hash> position_ids_;
  std::vector<std::unique_ptr<Configuration>> configurations_;
  std::unordered_map<std::vector<uint32_t>, const Configuration*, Hash> configuration_ids_;
  std::vector<uint32_t> seen_;  ///< [positions], the closure that met them last
  uint32_t closure_ = 0;
  const Configuration *start_ = nullptr, *dead_ = nullptr;
};

}  // namespace nibble
