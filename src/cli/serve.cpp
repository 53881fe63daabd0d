#include "serve/server.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/kv_type_option.h"

namespace nibble {

namespace {

namespace fs = std::filesystem;

/// Connections beside those of the requests that the scheduler holds: short requests, and clients that keep
/// theirs open.
constexpr size_t kSpareConnections = 64;
/// The library waits for sockets with select(), which knows no more of them.
constexpr size_t kMostConnections = 900;

struct ServeFlags {
  CommonOptions common;
  ServeOptions serve;
  std::vector<std::string> models;
  std::string directory, key_file;
  uint32_t timeout = 600, grace = 30;
  bool no_web = false;
};

void read_keys(ServeFlags& flags) {
  if (!flags.key_file.empty()) flags.serve.access.keys.add_file(flags.key_file);
  const char* key = std::getenv("NIBBLE_API_KEY");
  if (key && *key) flags.serve.access.keys.add(key);
}

void check(const ServeFlags& flags) {
  if (flags.models.empty() && flags.directory.empty()) {
    throw_usage("name a model, or a directory of them with --models");
  }
  if (!flags.directory.empty() && !fs::is_directory(flags.directory)) {
    fail("{}: is no directory; --models names one with models in it", flags.directory);
  }
  if (flags.serve.http.certificate.empty() != flags.serve.http.key.empty()) {
    throw_usage("--tls-cert and --tls-key belong together: give both, or none");
  }
}

void run_serve(ServeFlags& flags) {
  check(flags);
  Progress::set_quiet(flags.common.quiet);
  ServeOptions& serve = flags.serve;
  read_keys(flags);
  serve.models.models.assign(flags.models.begin(), flags.models.end());
  serve.models.directory = flags.directory;
  serve.models.engine.threads = flags.common.threads;
  serve.models.engine.affinity = flags.common.affinity;
  serve.timeout = std::chrono::seconds(flags.timeout);
  serve.grace = std::chrono::seconds(flags.grace);
  serve.http.stall = std::min(serve.http.stall, serve.timeout);
  serve.http.max_connections =
      std::min<size_t>(kMostConnections, size_t(serve.models.scheduler.max_sequences) +
                                             serve.models.scheduler.max_queue + kSpareConnections);
  serve.quiet = flags.common.quiet;
  serve.web = !flags.no_web;
  serve.program = fs::read_symlink("/proc/self/exe").string();
  run_server(serve);
}

void add_network_options(CLI::App& command, ServeFlags& flags) {
  HttpServerOptions& http = flags.serve.http;
  command.add_option("--host", http.host, "Address to listen at; 0.0.0.0: every one of this machine")
      ->capture_default_str();
  command.add_option("--port", http.port, "Port to listen at; 0: one that is free")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command
      .add_option("--api-key-file", flags.key_file,
                  "Clients need a key of this file, one a line; NIBBLE_API_KEY is one more")
      ->type_name("FILE");
  command
      .add_option("--cors", flags.serve.access.cors,
                  "Let pages of this origin use the API, such as https://example.org; *: all")
      ->type_name("ORIGIN");
  command
      .add_option("--tls-cert", http.certificate, "Serve HTTPS with this certificate (PEM, with its chain)")
      ->type_name("FILE");
  command.add_option("--tls-key", http.key, "The certificate's key (PEM)")->type_name("FILE");
  command.add_flag("--no-web", flags.no_web, "No web page, only the API");
}

void add_limits(CLI::App& command, ServeFlags& flags) {
  EngineOptions& engine = flags.serve.models.engine;
  SchedulerOptions& scheduler = flags.serve.models.scheduler;
  command
      .add_option("--context", engine.context,
                  "Tokens that a prompt and its answer may have together; default: the model's, at most 4096")
      ->check(at_least_one());
  add_kv_type_option(command, engine.kv_type);
  command
      .add_option(
          "--draft-model", engine.draft_model,
          "A small model with the same tokens drafts what the named models then check: faster, and the "
          "same answers")
      ->type_name("MODEL");
  command
      .add_option("--max-sequences", scheduler.max_sequences, "Answers that are computed at the same time")
      ->check(CLI::Range(1, 512))
      ->capture_default_str();
  add_size_option(command, "--cache-memory", scheduler.cache_bytes,
                  "Memory of the KV cache, with the draft model's, such as 2GB; default: what the memory "
                  "plan leaves");
  command
      .add_option("--max-queue", scheduler.max_queue, "Requests that may wait; further ones get status 429")
      ->check(CLI::Range(0, 10000))
      ->capture_default_str();
  add_size_option(command, "--max-body", flags.serve.http.max_body, "Largest request; default: 16 MB");
  command.add_option("--timeout", flags.timeout, "Seconds that a request may take")
      ->check(at_least_one())
      ->capture_default_str();
  command
      .add_option("--grace", flags.grace, "Seconds that running answers get when the server is told to stop")
      ->check(CLI::Range(0, 86400))
      ->capture_default_str();
}

}  // namespace

void add_serve(CLI::App& app) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App* command = add_command(app, "serve", "OpenAI's API and a web page, for several people at once",
                                  flags->common, [flags] { run_serve(*flags); });
  command->add_option("MODEL", flags->models,
                      "GGUF files or Hugging Face directories; clients name them by their "
                      "file names without .gguf");
  command->add_option("--models", flags->directory, "A directory with further models, to load from the page")
      ->type_name("DIR");
  add_network_options(*command, *flags);
  add_limits(*command, *flags);
  command->add_flag("--log-prompts", flags->serve.log_prompts, "Write prompts and answers into the log too");
}

}  // namespace nibble
