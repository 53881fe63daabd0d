#include "base/progress.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace nibble {

namespace {

std::atomic<bool> g_quiet{false};

/// Between two lines where there is no terminal.
double plain_interval() {
  static const double seconds = [] {
    const char* given = std::getenv("NIBBLE_PROGRESS_SECONDS");
    const double value = given ? std::strtod(given, nullptr) : 0;
    return value > 0 ? value : 5.0;
  }();
  return seconds;
}

double seconds(std::chrono::steady_clock::duration d) {
  return std::chrono::duration<double>(d).count();
}

std::string time_text(double s) {
  const auto total = std::llround(s);
  if (total < 60) return fmt::format("{}s", total);
  if (total < 3600) return fmt::format("{}m{:02}s", total / 60, total % 60);
  return fmt::format("{}h{:02}m", total / 3600, total / 60 % 60);
}

std::string rate_text(double per_second, const std::string& unit) {
  if (unit == "bytes") return fmt::format("{:.0f} MB/s", per_second / 1e6);
  return fmt::format("{:.{}f} {}/s", per_second, per_second < 10 ? 1 : 0, unit);
}

}  // namespace

void Progress::set_quiet(bool quiet) {
  g_quiet = quiet;
}
bool Progress::quiet() {
  return g_quiet;
}

Progress::Progress(std::string title, uint64_t total, std::string unit, uint64_t done)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(std::max<uint64_t>(total, 1)),
      done_(done),
      before_(done),
      start_(std::chrono::steady_clock::now()),
      printed_(start_),
      terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  finish();
}

void Progress::add(uint64_t amount, const std::string& note) {
  const std::lock_guard lock(mutex_);
  done_ += amount;
  if (!note.empty()) note_ = note;
  const double since = seconds(std::chrono::steady_clock::now() - printed_);
  if (since >= (terminal_ ? 0.1 : plain_interval())) print(false);
}

void Progress::take_back(uint64_t amount) {
  const std::lock_guard lock(mutex_);
  done_ -= std::min(done_, amount);
}

void Progress::finish() {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  finished_ = true;
  print(true);
}

void Progress::print(bool last) {
  if (g_quiet) return;
  printed_ = std::chrono::steady_clock::now();
  const double elapsed = std::max(seconds(printed_ - start_), 1e-9);
  const double share = std::min(1.0, double(done_) / double(total_));
  const double per_second = double(done_ - std::min(done_, before_)) / elapsed;
  const double left = per_second > 0 ? double(total_) * (1 - share) / per_second : 0;
  const std::string rate = rate_text(per_second, unit_);
  const std::string times =
      last ? fmt::format("in {}", time_text(elapsed)) : fmt::format("{} left", time_text(left));
  if (terminal_) {
    constexpr int kWidth = 24;
    std::string bar;
    for (int i = 0; i < kWidth; ++i) bar += i < std::lround(share * kWidth) ? "█" : "░";
    fmt::print(stderr, "\r\033[K{} {} {:3.0f}%  {}  {}  {}{}", title_, bar, share * 100, rate, times, note_,
               last ? "\n" : "");
  } else {
    fmt::print(stderr, "{}: {:.0f}%, {}, {}{}{}\n", title_, share * 100, rate, times,
               note_.empty() ? "" : ", ", note_);
  }
  std::fflush(stderr);
}

}  // namespace nibble
