#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace nibble {

/// What a model's file says of itself: bytes, bits_per_weight, type, architecture, parameters, and the
/// figures that were measured when it was made. Read once for each state of the file. Safe to call from
/// several threads.
class ModelFacts {
 public:
  /// An object; for a file that can't be read it has "error" alone.
  nlohmann::ordered_json of(const std::filesystem::path& path);

 private:
  struct Known {
    std::filesystem::file_time_type changed;
    nlohmann::ordered_json facts;
  };
  std::mutex mutex_;
  std::map<std::filesystem::path, Known> known_;
};

}  // namespace nibble
