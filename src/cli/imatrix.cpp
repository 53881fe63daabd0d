#include "calibrate/imatrix.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/progress.h"
#include "cli/calibration_options.h"
#include "cli/commands.h"
#include "cli/output_path.h"

namespace nibble {

namespace {

struct ImatrixFlags {
  CommonOptions common;
  CalibrationFlags calibration;
  std::string model, output;
  bool json = false;
};

void run_imatrix(const ImatrixFlags& options) {
  check_output_path("-o", options.output, {options.model, options.calibration.options.source});
  Progress::set_quiet(options.common.quiet);
  ThreadPool pool(options.common.threads, options.common.affinity);
  const auto checkpoint = Checkpoint::open(options.model);
  const auto state = options.calibration.begin(options.output, {"command: imatrix"}, checkpoint, pool);
  const CalibrationData& data = *state->calibration();
  const Imatrix imatrix = collect_imatrix(*checkpoint, data, pool, state.get());
  write_imatrix(imatrix, options.output);
  state->remove();
  if (options.json) {
    const nlohmann::ordered_json out = {{"output", options.output},
                                        {"calibration", data.source},
                                        {"tokens", data.tokens()},
                                        {"tensors", imatrix.entries.size()}};
    fmt::print("{}\n", out.dump());
  } else {
    fmt::print("{}: importance of the inputs of {} tensors, from {} tokens of {}\n", options.output,
               imatrix.entries.size(), data.tokens(), data.source);
  }
}

}  // namespace

void add_imatrix(CLI::App& app) {
  const auto options = std::make_shared<ImatrixFlags>();
  CLI::App* command =
      add_command(app, "imatrix",
                  "Write an importance matrix: how much each input channel matters, for quantize --imatrix",
                  options->common, [options] { run_imatrix(*options); });
  command->add_option("MODEL", options->model, "GGUF file or Hugging Face directory")->required();
  command
      ->add_option("-o,--output", options->output,
                   "File to write, as llama.cpp reads it: GGUF, or its older form when named .dat")
      ->required();
  options->calibration.add_to(*command);
  command->add_flag("--json", options->json, "Print the result as JSON");
}

}  // namespace nibble
