#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/context_option.h"
#include "cli/inspect_report.h"
#include "cli/kv_type_option.h"
#include "model/checkpoint.h"

namespace nibble {

namespace {

struct InspectFlags {
  CommonOptions common;
  std::string model;
  uint32_t context = 0;
  KvType kv_type = KvType::f16;
  bool json = false, tensors = false;
};

void run_inspect(const InspectFlags& options) {
  const auto checkpoint = Checkpoint::open(options.model);
  const uint32_t longest = checkpoint->config().context_length;
  check_context(options.context, checkpoint->config());
  const InspectReport report =
      inspect(*checkpoint, options.context > 0 ? options.context : std::min(longest, kDefaultContext),
              options.kv_type);
  if (options.json) {
    fmt::print("{}\n", inspect_json(report, *checkpoint, options.tensors).dump(2));
  } else {
    print_inspect(report, *checkpoint, options.tensors);
  }
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto options = std::make_shared<InspectFlags>();
  CLI::App* command =
      add_command(app, "inspect", "Show what a model is made of, and what running it here takes",
                  options->common, [options] { run_inspect(*options); });
  command->add_option("MODEL", options->model, "GGUF file or Hugging Face directory")->required();
  command
      ->add_option("--context", options->context,
                   fmt::format("Tokens that the memory plan is for; default: the model's, at most {}",
                               kDefaultContext))
      ->check(at_least_one());
  add_kv_type_option(*command, options->kv_type);
  command->add_flag("--tensors", options->tensors, "List every tensor");
  command->add_flag("--json", options->json, "Print as JSON");
}

}  // namespace nibble
