#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/cpu.h"
#include "base/error.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "runtime/packed_weights.h"

namespace nibble {

namespace {

struct PackFlags {
  CommonOptions common;
  std::string model;
  bool json = false;
};

void run_pack(const PackFlags& options) {
  Progress::set_quiet(options.common.quiet);
  const auto checkpoint = Checkpoint::open(options.model);
  ThreadPool pool(options.common.threads, options.common.affinity);
  const PackedWeights weights = PackedWeights::pack(*checkpoint, pool);
  if (weights.layout().bytes == 0) {
    fail("{}: the kernels for {} read the model's own layout, so there is nothing to pack", options.model,
         isa_name(selected_isa()));
  }
  write_packed_file(*checkpoint, weights.layout(), weights.packed());
  const std::string output = packed_file_path(*checkpoint).string();
  const uint64_t bytes = std::filesystem::file_size(output);
  if (options.json) {
    const nlohmann::ordered_json out = {{"output", output}, {"file_bytes", bytes}};
    fmt::print("{}\n", out.dump());
  } else {
    fmt::print("{}: {:.1f} MB, mapped when {} is loaded from now on\n", output, double(bytes) / 1e6,
               options.model);
  }
}

}  // namespace

void add_pack(CLI::App& app) {
  auto options = std::make_shared<PackFlags>();
  CLI::App* command = add_command(
      app, "pack", "Write the weights as this machine's kernels read them beside the model: it starts faster",
      options->common, [options] { run_pack(*options); });
  command->add_option("MODEL", options->model, "GGUF file or Hugging Face directory")->required();
  command->add_flag("--json", options->json, "Print the result as JSON");
}

}  // namespace nibble
