#include "serve/server.h"

#include <fmt/core.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>

#include "serve/api.h"
#include "serve/endpoints.h"
#include "serve/page.h"
#include "serve/page_files.h"

namespace nibble {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kStopPoll{20};
/// What ending an answer that is cut may take: it ends at its next step.
constexpr std::chrono::seconds kCutTime{10};

/// Takes SIGTERM and SIGINT in a thread of its own; other threads never see them.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }

  /// Until the server runs, a signal ends the program as it would have.
  void watch(std::atomic<bool>& serving, std::atomic<int>& count, std::atomic<bool>& ended) {
    thread_ = std::thread([this, &serving, &count, &ended] {
      while (!ended) {
        const timespec tick{0, 100'000'000};
        const int signal = sigtimedwait(&set_, nullptr, &tick);
        if (signal < 0) continue;
        if (!serving) std::_Exit(128 + signal);
        ++count;
      }
    });
  }
  ~StopSignals() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  sigset_t set_{};
  std::thread thread_;
};

/// Waits until nothing is served any more, or for the time; a further signal ends the wait.
bool wait_for_idle(const HttpServer& http, std::chrono::seconds longest, const std::atomic<int>& signals) {
  const int before = signals;
  const auto end = Clock::now() + longest;
  while (http.active() > 0) {
    if (Clock::now() > end || signals > before) return false;
    std::this_thread::sleep_for(kStopPoll);
  }
  return true;
}

/// Ends a server gracefully once it is told to.
void stop_on_signal(HttpServer& http, ServerState& state, std::chrono::seconds grace,
                    const std::atomic<int>& signals, const std::atomic<bool>& returned) {
  while (signals == 0) {
    if (returned) return;
    std::this_thread::sleep_for(kStopPoll);
  }
  state.log.write("stopping", {{"active", http.active()}});
  state.draining = true;
  if (!wait_for_idle(http, grace, signals)) {
    state.cut = true;
    wait_for_idle(http, kCutTime, signals);
  }
  while (!returned) {
    http.stop();
    std::this_thread::sleep_for(kStopPoll);
  }
}

void add_endpoints(Router& router, ServerState& state, JobQueue& jobs, bool web) {
  add_chat_endpoint(router, state);
  add_completions_endpoint(router, state);
  add_embeddings_endpoint(router, state);
  add_tokenize_endpoints(router, state);
  add_model_endpoints(router, state);
  add_status_endpoints(router, state);
  add_job_endpoints(router, state, jobs);
  add_document_endpoint(router);
  if (web) add_page(router);
}

void announce(const ServeOptions& options, int port, ServerState& state) {
  const bool tls = !options.http.certificate.empty();
  const std::string& host = options.http.host;
  const std::string url = fmt::format("{}://{}:{}", tls ? "https" : "http",
                                      host.find(':') == std::string::npos ? host : "[" + host + "]", port);
  nlohmann::ordered_json ids = nlohmann::ordered_json::array();
  for (const auto& model : state.models.loaded()) ids.push_back(model->id);
  state.log.write("listening", {{"url", url}, {"models", ids}, {"keys", !options.access.keys.empty()}});
  if (!is_loopback(host) && options.access.keys.empty()) {
    fmt::print(
        stderr,
        "nibble: warning: everybody who reaches {} may use this server; ask for keys with --api-key-file, or "
        "leave --host out\n",
        url);
  }
  const bool page = options.web && !page_files().empty();
  fmt::print("{}{}\n", url, page ? "" : "/v1");
  std::fflush(stdout);
}

}  // namespace

void run_server(const ServeOptions& options) {
  std::atomic<bool> serving{false}, returned{false};
  std::atomic<int> signals{0};
  StopSignals stop;
  // Set whichever way this function is left: the thread that takes signals waits for it.
  struct Ended {
    std::atomic<bool>& flag;
    ~Ended() { flag = true; }
  } ended{returned};
  stop.watch(serving, signals, returned);

  EventLog log(options.quiet);
  ModelHub models(options.models);
  ServerState state(models, log);
  state.timeout = options.timeout;
  state.log_prompts = options.log_prompts;
  JobQueue jobs(options.program);
  Router router;
  add_endpoints(router, state, jobs, options.web);
  AccessRules access = options.access;
  access.loopback = is_loopback(options.http.host);
  Api api(state, router, access);
  HttpServer http(options.http, api);
  const int port = http.bind();  // before the models are loaded, which may take long
  models.load_named();
  announce(options, port, state);
  serving = true;
  std::thread stopper([&] { stop_on_signal(http, state, options.grace, signals, returned); });
  http.run();
  returned = true;
  stopper.join();
  models.drain();
  log.write("stopped", nlohmann::ordered_json::object());
}

}  // namespace nibble
