#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/decoding_options.h"
#include "cli/terminal.h"
#include "cli/token_list.h"

namespace nibble {

namespace {

struct GenerateFlags {
  CommonOptions common;
  DecodingOptions decoding;
  std::string model, prompt, tokens, file;
  bool raw = false, chat = false, json = false;
  int sequences = 1;
  CLI::App* command = nullptr;
};

/// What was asked, read and checked before the model is loaded.
struct Prompt {
  std::vector<int32_t> tokens;
  std::string text;
};

Prompt read_prompt(const GenerateFlags& options) {
  if (options.command->count("--tokens") > 0) return {.tokens = parse_token_list(options.tokens)};
  if (options.file.empty()) return {.text = options.prompt};
  if (options.file == "-") return {.text = {std::istreambuf_iterator<char>(std::cin), {}}};
  return {.text = read_file(options.file)};
}

std::vector<int32_t> encode(const Prompt& prompt, bool chat, const Engine& engine) {
  if (!prompt.tokens.empty()) return prompt.tokens;
  return chat ? engine.encode_chat({{"user", prompt.text}}) : engine.tokenizer().encode(prompt.text);
}

nlohmann::ordered_json to_json(const std::vector<Generation>& answers) {
  nlohmann::ordered_json outputs = nlohmann::ordered_json::array();
  double prefill_s = 0, decode_s = 0;
  size_t decoded = 0, computed = 0, drafted = 0, accepted = 0;
  for (const Generation& answer : answers) {
    outputs.push_back({{"tokens", answer.tokens},
                       {"text", answer.text},
                       {"stop_reason", stop_reason_name(answer.reason)},
                       {"seed", answer.seed ? nlohmann::ordered_json(*answer.seed) : nullptr}});
    if (answer.score) outputs.back()["score"] = *answer.score;
    // The beams of a search were computed together, and their times are the same.
    if (answer.score && &answer != &answers.front()) continue;
    drafted += answer.drafted;
    accepted += answer.accepted;
    prefill_s += answer.prefill_s;
    decode_s += answer.decode_s;
    computed += answer.prompt_tokens - answer.cached_tokens;
    // The first one comes from the prompt's logits.
    decoded += std::max<size_t>(answer.tokens.size(), 1) - 1;
  }
  return {{"outputs", outputs},
          {"prompt_tokens", answers.front().prompt_tokens},
          {"prefill_s", prefill_s},
          {"decode_s", decode_s},
          {"prefill_tokens_per_s", prefill_s > 0 ? double(computed) / prefill_s : 0},
          {"decode_tokens_per_s", decode_s > 0 ? double(decoded) / decode_s : 0},
          {"drafted_tokens", drafted},
          {"accepted_tokens", accepted},
          {"peak_rss_bytes", process_usage().peak_resident_bytes}};
}

/// A beam search: all of its answers at once, best first.
std::vector<Generation> search(Engine& engine, std::span<const int32_t> prompt, const GenerateParams& params,
                               bool print) {
  const auto answers =
      engine.generate_choices(prompt, params, [](std::string_view) { return interrupts() == 0; });
  for (size_t i = 0; i < answers.size() && print && interrupts() == 0; ++i) {
    if (answers.size() > 1) std::cout << fmt::format("{}[{}]\n", i ? "\n" : "", i + 1);
    std::cout << answers[i].text;
    if (!engine.has_tokenizer()) std::cout << fmt::format("{}", fmt::join(answers[i].tokens, ","));
    std::cout << '\n';
  }
  return answers;
}

/// Writes the answer as it comes, or the ids where there is no tokenizer for text.
Generation generate_to_stdout(Engine& engine, std::span<const int32_t> prompt, const GenerateParams& params) {
  Generation answer = engine.generate(prompt, params, [](std::string_view piece) {
    std::cout << piece << std::flush;
    return interrupts() == 0;
  });
  if (!engine.has_tokenizer()) std::cout << fmt::format("{}", fmt::join(answer.tokens, ","));
  std::cout << '\n';
  return answer;
}

/// Outputs one after the other.
std::vector<Generation> sample(Engine& engine, std::span<const int32_t> prompt, GenerateParams params,
                               int count, bool print) {
  std::vector<Generation> answers;
  for (int i = 0; i < count && interrupts() == 0; ++i) {
    // The first seed may be random; the others follow it, so that each output can be repeated alone.
    if (i > 0) params.sampling.seed = *answers.front().seed + uint64_t(i);
    if (!print) {
      answers.push_back(engine.generate(prompt, params, [](std::string_view) { return interrupts() == 0; }));
      continue;
    }
    if (count > 1) std::cout << fmt::format("{}[{}]\n", i ? "\n" : "", i + 1) << std::flush;
    answers.push_back(generate_to_stdout(engine, prompt, params));
  }
  return answers;
}

void run_generate(GenerateFlags& options) {
  if (options.decoding.params.beams.searches()) {
    options.decoding.params.beams.num_return_sequences = uint32_t(options.sequences);
  }
  check_decoding_options(*options.command, options.decoding);
  if (const GenerateParams& p = options.decoding.params;
      p.sampling.greedy && !p.beams.searches() && options.sequences > 1) {
    throw UsageError("--greedy gives the same output every time: leave it or --num-return-sequences out");
  }
  if (options.chat && options.command->count("--tokens") > 0) {
    throw UsageError("--chat applies the chat template to text: give -p or --file instead of --tokens");
  }
  const Prompt text = read_prompt(options);
  Progress::set_quiet(options.common.quiet);
  options.decoding.engine.threads = options.common.threads;
  options.decoding.engine.affinity = options.common.affinity;
  options.decoding.engine.needs_tokenizer = text.tokens.empty();
  auto engine = Engine::load(options.model, options.decoding.engine);
  set_grammar(*engine, options.decoding);
  GenerateParams params = options.decoding.params;
  if (!engine->has_tokenizer() && !params.stop.empty()) {
    throw_usage("--stop waits for a text, but {} has no tokenizer, so ids come out: leave it out",
                options.model);
  }
  const std::vector<int32_t> prompt = encode(text, options.chat, *engine);
  catch_interrupts();

  const std::vector<Generation> answers =
      params.beams.searches() ? search(*engine, prompt, params, !options.json)
                              : sample(*engine, prompt, params, options.sequences, !options.json);
  if (interrupts() > 0) end_interrupted();
  if (options.json) {
    std::cout << to_json(answers).dump() << '\n';
  } else if (!options.common.quiet) {
    if (answers.back().reason == StopReason::context_full) {
      print_status(
          "The context is full, so the text ends here: --context allows more, up to the model's own.");
    }
    print_status(answer_summary(answers.back(), *engine));
  }
}

}  // namespace

void add_generate(CLI::App& app) {
  auto options = std::make_shared<GenerateFlags>();
  CLI::App* command =
      add_command(app, "generate", "Continue a text", options->common, [options] { run_generate(*options); });
  options->command = command;
  command->add_option("model", options->model, "GGUF file or Hugging Face directory")->required();
  auto* source = command->add_option_group("Prompt")->require_option(1);
  source->add_option("-p,--prompt", options->prompt, "The text to continue");
  source->add_option("--tokens", options->tokens, "The same as token ids: 1,2,3");
  source->add_option("--file", options->file, "A file with the text; -: standard input");
  auto* chat =
      command->add_flag("--chat", options->chat, "The prompt is a chat message: apply the chat template");
  command->add_flag("--raw", options->raw, "The prompt is the beginning of a text (default)")->excludes(chat);
  command->add_flag("--json", options->json, "Print tokens, text and speeds as JSON");
  command
      ->add_option("--num-return-sequences", options->sequences,
                   "Outputs, with seeds that follow each other; of a beam search the best ones")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  add_decoding_options(*command, options->decoding);
}

}  // namespace nibble
