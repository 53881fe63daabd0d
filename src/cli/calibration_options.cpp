#include "cli/calibration_options.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "base/checksum.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/progress.h"
#include "calibrate/self_text.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "engine/vocabulary_loader.h"
#include "model/source_stamp.h"

namespace nibble {

namespace {

constexpr const char* kFlags[] = {"--calibration", "--calibration-sequences", "--calibration-tokens",
                                  "--calibration-seed"};

/// Tells a text from another one under the same name.
uint64_t hash_of(const CalibrationData& data) {
  uint64_t hash = kFnv1aBasis;
  for (const auto& sequence : data.sequences) hash = fnv1a(std::as_bytes(std::span(sequence)), hash);
  return hash;
}

}  // namespace

void CalibrationFlags::add_to(CLI::App& app) {
  command = &app;
  app.add_option(kFlags[0], options.source,
                 "Text to calibrate with: a text file, JSON lines with \"text\" (.jsonl), a directory with "
                 "ARC's train split, or 'self' for what the model writes itself")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_option(kFlags[1], options.sequences, "Sequences of it")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option(kFlags[2], options.tokens, "Tokens of each sequence")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  app.add_option(kFlags[3], seed, "Of the text that the model writes")
      ->check(not_negative())
      ->capture_default_str();
  app.add_flag("--no-resume", no_resume, "Begin anew where an interrupted run could go on");
}

bool CalibrationFlags::given() const {
  return std::any_of(std::begin(kFlags), std::end(kFlags),
                     [&](const char* flag) { return command->count(flag) > 0; });
}

std::unique_ptr<RunState> CalibrationFlags::begin(const std::string& output, const RunState::Job& job,
                                                  const std::shared_ptr<const Checkpoint>& checkpoint,
                                                  ThreadPool& pool) const {
  RunState::Job lines = {fmt::format("program: nibble {}", NIBBLE_VERSION),
                         fmt::format("processor: {}", isa_name(selected_isa()))};
  for (const std::string& stamp : source_stamps(*checkpoint)) lines.push_back("model: " + stamp);
  lines.insert(lines.end(), job.begin(), job.end());
  std::optional<CalibrationData> text;
  const std::string size = fmt::format("{} x {} tokens", options.sequences, options.tokens);
  if (options.from_model()) {
    lines.push_back(fmt::format("calibration: {}, seed {}, {}", options.source, seed, size));
  } else {
    text = load(checkpoint, pool);
    lines.push_back(fmt::format("calibration: {}, {}, hash {:016x}", options.source, size, hash_of(*text)));
  }
  auto state = std::make_unique<RunState>(output, std::move(lines), !no_resume);
  if (text) state->set_calibration(std::move(*text), false);
  if (!state->calibration()) state->set_calibration(load(checkpoint, pool), true);
  if (!Progress::quiet())
    announce_on_interrupt("interrupted; the same command goes on behind the last whole layer");
  return state;
}

CalibrationData CalibrationFlags::load(const std::shared_ptr<const Checkpoint>& checkpoint,
                                       ThreadPool& pool) const {
  if (!has_vocabulary(*checkpoint)) fail_without_vocabulary(checkpoint->path().string());
  Vocabulary vocabulary = load_vocabulary(*checkpoint);
  if (options.from_model()) return generate_calibration(checkpoint, vocabulary, options, seed, pool);
  return read_calibration(options, *Tokenizer::create(std::move(vocabulary)));
}

}  // namespace nibble
