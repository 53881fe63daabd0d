#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "cli/output_path.h"

namespace nibble {

/// --json [FILE]: the result as JSON into the file, or to stdout in the place of what people read.
class JsonOutput {
 public:
  void add_to(CLI::App& command) {
    option_ =
        command.add_option("--json", file_, "Write the result as JSON: into FILE, or to stdout without FILE")
            ->expected(0, 1)
            ->type_name("[FILE]");
  }
  /// JSON takes the whole of stdout.
  bool to_stdout() const { return option_->count() > 0 && (file_.empty() || file_ == "-"); }
  /// Throws UsageError, before the work, where the file could not be written or is one of the inputs.
  void check(const std::vector<std::string>& inputs) const {
    if (option_->count() > 0 && !to_stdout()) check_output_path("--json", file_, inputs);
  }
  void write(const nlohmann::ordered_json& json) const {
    if (option_->count() == 0) return;
    const std::string text = json.dump(2) + "\n";
    if (to_stdout()) {
      fmt::print("{}", text);
    } else {
      write_file(file_, text);
    }
  }

 private:
  CLI::Option* option_ = nullptr;
  std::string file_;
};

}  // namespace nibble
