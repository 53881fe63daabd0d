#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <new>
#include <string>

#include "base/error.h"
#include "cli/commands.h"

namespace {

constexpr int kFailed = 1, kWrongUsage = 2;

/// Errors are one line: whatever a message quotes from a file must not break it or steer the terminal.
int report(const std::string& message, int status) {
  std::string line = message;
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  fmt::print(stderr, "nibble: {}\n", line);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is an error that says what to do, as a full disk is
  CLI::App app("nibble: large language models, small and fast on the machine you own");
  app.name("nibble");
  app.set_version_flag("--version", std::string("nibble ") + NIBBLE_VERSION);
  app.require_subcommand(1);
  // In the order in which a user meets them.
  nibble::add_inspect(app);
  nibble::add_tokenize(app);
  nibble::add_logits(app);
  nibble::add_imatrix(app);
  nibble::add_quantize(app);
  nibble::add_optimize(app);
  nibble::add_generate(app);
  nibble::add_chat(app);
  nibble::add_serve(app);
  nibble::add_eval(app);
  nibble::add_compare(app);
  nibble::add_bench(app);
  nibble::add_pack(app);
  nibble::add_synth(app);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    if (argc > 1 && app.get_subcommands().empty()) {
      return report(fmt::format("there is no command '{}' (see 'nibble --help')", argv[1]), kWrongUsage);
    }
    std::string command = "nibble";
    for (const CLI::App* sub : app.get_subcommands()) command += " " + sub->get_name();
    return report(fmt::format("{} (see '{} --help')", error.what(), command), kWrongUsage);
  } catch (const nibble::UsageError& error) {
    return report(error.what(), kWrongUsage);
  } catch (const std::bad_alloc&) {
    return report("out of memory: use a smaller model or a shorter --context", kFailed);
  } catch (const std::exception& error) {
    return report(error.what(), kFailed);
  }
  std::cout.flush();
  if (std::fflush(stdout) != 0 || !std::cout) {
    return report(std::string("cannot write to standard output: ") + std::strerror(errno), kFailed);
  }
  return 0;
}
