#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "engine/scheduler.h"
#include "serve/models.h"

namespace nibble {

/// What the server has done since it started, in Prometheus' text format (version 0.0.4). Safe to call from
/// several threads. A dozen numbers need no library.
class Metrics {
 public:
  void count_request(const std::string& route, int status, double seconds);
  /// `first_token_s`: from the request to its first piece of text.
  void count_answer(const std::string& model, const RequestUsage& usage, double first_token_s);

  uint64_t requests() const;
  std::string text(const ModelHub& models) const;

 private:
  struct Histogram {
    static constexpr std::array<double, 12> kBounds = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                       1,    2.5,   5,    10,  30,   120};
    std::array<uint64_t, kBounds.size() + 1> counts{};
    double sum = 0;
    void add(double value);
    std::string text(const std::string& name) const;
  };
  struct ModelCounts {
    uint64_t answers = 0, prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0, drafted = 0,
             accepted = 0;
  };

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, uint64_t> requests_;
  std::map<std::string, ModelCounts> models_;
  Histogram request_seconds_, first_token_seconds_;
  uint64_t all_requests_ = 0;
};

}  // namespace nibble
