#include "cli/terminal.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "base/process.h"

namespace nibble {

namespace {

volatile sig_atomic_t interrupt_count = 0;

void on_interrupt(int) {
  interrupt_count = interrupt_count + 1;
  // Whoever presses it three times wants out, whatever the program is busy with.
  if (interrupt_count >= 3) {
    signal(SIGINT, SIG_DFL);
    raise(SIGINT);
  }
}

const char* last_line = "";

void on_last_signal(int signal_number) {
  for (const char* part : {"\nnibble: ", last_line, "\n"}) {
    if (write(STDERR_FILENO, part, std::strlen(part)) < 0) break;
  }
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

}  // namespace

bool colours_on(int file_descriptor) {
  const char *no_color = std::getenv("NO_COLOR"), *term = std::getenv("TERM");
  return isatty(file_descriptor) && !(no_color && *no_color) && !(term && std::strcmp(term, "dumb") == 0);
}

std::string styled(const std::string& text, Ink ink, bool coloured) {
  if (!coloured) return text;
  const char* code = ink == Ink::dim ? "2" : ink == Ink::bold ? "1" : ink == Ink::red ? "31" : "1;32";
  return fmt::format("\033[{}m{}\033[0m", code, text);
}

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);  // without SA_RESTART: reading a line ends
}

int interrupts() {
  return interrupt_count;
}
void forget_interrupts() {
  interrupt_count = 0;
}

void announce_on_interrupt(const char* line) {
  last_line = line;
  struct sigaction action {};
  action.sa_handler = on_last_signal;
  sigemptyset(&action.sa_mask);
  for (const int number : {SIGINT, SIGTERM}) sigaction(number, &action, nullptr);
}

void end_interrupted() {
  std::cout << std::flush;
  signal(SIGINT, SIG_DFL);
  raise(SIGINT);
  std::abort();
}

void print_status(const std::string& line) {
  std::cout << std::flush;
  fmt::print(stderr, "{}\n", styled(line, Ink::dim, colours_on(STDERR_FILENO)));
}

std::string counted(size_t count, const std::string& thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

std::string readable_bytes(uint64_t bytes) {
  return bytes >= 1'000'000'000 ? fmt::format("{:.1f} GB", double(bytes) / 1e9)
                                : fmt::format("{:.0f} MB", double(bytes) / 1e6);
}

std::string answer_summary(const Generation& answer, const Engine& engine) {
  std::string line = counted(answer.tokens.size(), "token");
  if (answer.decode_tokens_per_s() > 0)
    line += fmt::format(", {:.1f} tokens/s", answer.decode_tokens_per_s());
  return line + fmt::format(" (prefill {} at {:.0f} tokens/s), memory {}, context {} of {}",
                            answer.prompt_tokens - answer.cached_tokens, answer.prefill_tokens_per_s(),
                            readable_bytes(process_usage().resident_bytes),
                            answer.prompt_tokens + answer.tokens.size(), engine.context());
}

}  // namespace nibble
