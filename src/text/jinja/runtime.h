#pragma once

#include <string>

#include "text/jinja/limits.h"
#include "text/jinja/value.h"

namespace nibble::jinja {

/// What operations on values need of the rendering they happen in.
class Runtime {
 public:
  explicit Runtime(uint64_t context_bytes) : budget_(context_bytes) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  ~Runtime() {
    for (const auto& release : releases_) release();
  }

  Budget& budget() { return budget_; }
  /// Registers what ends a cycle of references when the rendering is over.
  void at_end(std::function<void()> release) {
    budget_.charge_elements(8);
    releases_.push_back(std::move(release));
  }

  /// Counts a level of recursion for as long as it lives.
  class Level {
   public:
    explicit Level(Runtime& runtime) : runtime_(runtime) {
      if (++runtime_.depth_ > kMaxCallDepth) {
        --runtime_.depth_;
        fail("macros or expressions are nested too deep");
      }
    }
    ~Level() { --runtime_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Runtime& runtime_;
  };

  /// A string that the template made: charged.
  Value make_string(std::string text, bool markup = false) {
    budget_.charge(text.size() + kElementBytes);
    return Value::string(std::move(text), markup);
  }
  Value make_list(std::vector<Value> items) {
    budget_.charge_elements(items.size() + 1);
    return Value::list(std::move(items));
  }
  Value make_tuple(std::vector<Value> items) {
    budget_.charge_elements(items.size() + 1);
    return Value::tuple(std::move(items));
  }

 private:
  Budget budget_;
  int depth_ = 0;
  std::vector<std::function<void()>> releases_;
};

/// callee(arguments), with Python's and jinja2's errors.
Value call_value(Runtime& runtime, const Value& callee, Arguments arguments);

}  // namespace nibble::jinja
