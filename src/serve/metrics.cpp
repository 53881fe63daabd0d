#include "serve/metrics.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/process.h"

namespace nibble {

namespace {

std::string head(const char* name, const char* type, const char* help) {
  return fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

/// A label's value as the format writes it.
std::string quoted(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return out;
}

}  // namespace

void Metrics::Histogram::add(double value) {
  const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), value);
  ++counts[size_t(bound - kBounds.begin())];
  sum += value;
}

std::string Metrics::Histogram::text(const std::string& name) const {
  std::string out;
  uint64_t total = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    const std::string bound = i < kBounds.size() ? fmt::format("{}", kBounds[i]) : "+Inf";
    out += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, bound, total);
  }
  return out + fmt::format("{}_sum {}\n{}_count {}\n", name, sum, name, total);
}

void Metrics::count_request(const std::string& route, int status, double seconds) {
  const std::lock_guard lock(mutex_);
  ++requests_[{route, status}];
  ++all_requests_;
  request_seconds_.add(seconds);
}

void Metrics::count_answer(const std::string& model, const RequestUsage& usage, double first_token_s) {
  const std::lock_guard lock(mutex_);
  ModelCounts& counts = models_[model];
  ++counts.answers;
  counts.prompt_tokens += usage.prompt_tokens;
  counts.cached_tokens += usage.cached_tokens;
  counts.completion_tokens += usage.completion_tokens;
  counts.drafted += usage.drafted;
  counts.accepted += usage.accepted;
  first_token_seconds_.add(first_token_s);
}

uint64_t Metrics::requests() const {
  const std::lock_guard lock(mutex_);
  return all_requests_;
}

std::string Metrics::text(const ModelHub& models) const {
  const std::lock_guard lock(mutex_);
  std::string out = head("nibble_requests_total", "counter", "Requests by route and HTTP status.");
  for (const auto& [key, count] : requests_) {
    out += fmt::format("nibble_requests_total{{route=\"{}\",status=\"{}\"}} {}\n", quoted(key.first),
                       key.second, count);
  }
  const auto counter = [&](const char* name, const char* help, uint64_t ModelCounts::*member) {
    out += head(name, "counter", help);
    for (const auto& [model, counts] : models_) {
      out += fmt::format("{}{{model=\"{}\"}} {}\n", name, quoted(model), counts.*member);
    }
  };
  counter("nibble_answers_total", "Answers that were begun.", &ModelCounts::answers);
  counter("nibble_prompt_tokens_total", "Tokens of prompts.", &ModelCounts::prompt_tokens);
  counter("nibble_cached_tokens_total", "Of these, taken from the prompt cache.",
          &ModelCounts::cached_tokens);
  counter("nibble_completion_tokens_total", "Tokens of answers.", &ModelCounts::completion_tokens);
  counter("nibble_drafted_tokens_total", "Tokens that speculation proposed.", &ModelCounts::drafted);
  counter("nibble_accepted_tokens_total", "Of these, accepted.", &ModelCounts::accepted);
  out += head("nibble_request_seconds", "histogram", "Time from a request's headers to its response's end.");
  out += request_seconds_.text("nibble_request_seconds");
  out +=
      head("nibble_first_token_seconds", "histogram", "Time from a request to the first text of its answer.");
  out += first_token_seconds_.text("nibble_first_token_seconds");

  const auto loaded = models.loaded();
  const auto gauge = [&](const char* name, const char* help, auto value) {
    out += head(name, "gauge", help);
    for (const auto& model : loaded) {
      out +=
          fmt::format("{}{{model=\"{}\"}} {}\n", name, quoted(model->id), value(model->scheduler->status()));
    }
  };
  gauge("nibble_active_requests", "Requests that are being computed.",
        [](const auto& s) { return s.active; });
  gauge("nibble_queued_requests", "Requests that wait for room.", [](const auto& s) { return s.queued; });
  gauge("nibble_cache_used_bytes", "Of the KV cache.", [](const auto& s) { return s.cache_used_bytes; });
  gauge("nibble_cache_bytes", "The KV cache in all.", [](const auto& s) { return s.cache_bytes; });
  gauge("nibble_draft_cache_used_bytes", "Of the draft model's KV cache.",
        [](const auto& s) { return s.draft_cache_used_bytes; });
  gauge("nibble_draft_cache_bytes", "The draft model's KV cache in all.",
        [](const auto& s) { return s.draft_cache_bytes; });
  out += head("nibble_resident_bytes", "gauge", "Memory of the process, mapped model files included.");
  out += fmt::format("nibble_resident_bytes {}\n", process_usage().resident_bytes);
  return out;
}

}  // namespace nibble
