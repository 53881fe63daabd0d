#include "cli/calibration_options.h"

#include <algorithm>

#include "base/error.h"
#include "calibrate/self_text.h"
#include "cli/commands.h"
#include "engine/vocabulary_loader.h"

namespace nibble {

namespace {

constexpr const char* kFlags[] = {"--calibration", "--calibration-sequences", "--calibration-tokens",
                                  "--calibration-seed"};

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
}

bool CalibrationFlags::given() const {
  return std::any_of(std::begin(kFlags), std::end(kFlags),
                     [&](const char* flag) { return command->count(flag) > 0; });
}

CalibrationData CalibrationFlags::load(const std::shared_ptr<const Checkpoint>& checkpoint,
                                       ThreadPool& pool) const {
  if (!has_vocabulary(*checkpoint)) fail_without_vocabulary(checkpoint->path().string());
  Vocabulary vocabulary = load_vocabulary(*checkpoint);
  if (options.from_model()) return generate_calibration(checkpoint, vocabulary, options, seed, pool);
  return read_calibration(options, *Tokenizer::create(std::move(vocabulary)));
}

}  // namespace nibble
