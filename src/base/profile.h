#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

/// Where the time of a forward pass goes, by operation.
namespace nibble {

enum class Operation : uint8_t {
  other,  ///< between operations
  embed,
  quantize,  ///< norms, and activations to int8
  qkv,
  rope_cache,  ///< biases, head norms, rotation, and the write into the KV cache
  attention,
  attention_output,
  gate_up,  ///< with SiLU
  down,
  logits,
};
inline constexpr size_t kOperations = size_t(Operation::logits) + 1;

const char* operation_name(Operation operation);

/// Wall seconds of each operation, as the thread that calls the forward pass sees them: work that it
/// shares out counts until all have finished. Each moment counts for one operation.
class Profile {
 public:
  using Clock = std::chrono::steady_clock;

  std::array<double, kOperations> seconds{};

  /// The profile that this thread's operations are added to; null: none.
  static Profile* attached() { return attached_; }

  /// Charges the time since the last switch to the operation that ends here, and returns it.
  Operation switch_to(Operation next) {
    const auto now = Clock::now();
    seconds[size_t(current_)] += std::chrono::duration<double>(now - since_).count();
    since_ = now;
    const Operation before = current_;
    current_ = next;
    return before;
  }

 private:
  friend class ProfileScope;
  inline static thread_local Profile* attached_ = nullptr;

  Clock::time_point since_ = Clock::now();
  Operation current_ = Operation::other;
};

/// Attaches a profile to this thread; a null one does nothing.
class ProfileScope {
 public:
  explicit ProfileScope(Profile* profile) {
    Profile::attached_ = profile;
    if (profile != nullptr) profile->since_ = Profile::Clock::now();
  }
  ~ProfileScope() {
    if (Profile::attached_ != nullptr) Profile::attached_->switch_to(Operation::other);
    Profile::attached_ = nullptr;
  }
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;
};

/// Marks what its scope computes; next() where one operation follows another. An operation inside another
/// is not counted twice. Costs a test of a pointer when no profile is attached.
class OperationTimer {
 public:
  explicit OperationTimer(Operation first) : profile_(Profile::attached()) {
    if (profile_ != nullptr) outer_ = profile_->switch_to(first);
  }
  ~OperationTimer() {
    if (profile_ != nullptr) profile_->switch_to(outer_);
  }
  OperationTimer(const OperationTimer&) = delete;
  OperationTimer& operator=(const OperationTimer&) = delete;

  void next(Operation operation) {
    if (profile_ != nullptr) profile_->switch_to(operation);
  }

 private:
  Profile* profile_;
  Operation outer_ = Operation::other;
};

}  // namespace nibble
