#include "serve/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace nibble {

namespace {

constexpr int kNiceness = 10;

/// In the child, between fork and exec: only what is safe there.
[[noreturn]] void become(char* const* arguments, char* const* environment, int out) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setpgid(0, 0);
  setpriority(PRIO_PROCESS, 0, kNiceness);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  const int in = open("/dev/null", O_RDONLY);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  close_range(STDERR_FILENO + 1, ~0U, 0);  // connections are not the child's
  execve(arguments[0], arguments, environment);
  _exit(127);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments,
                           const std::vector<std::string>& environment) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry; ++entry) all.emplace_back(*entry);
  all.insert(all.end(), environment.begin(), environment.end());
  const std::vector<char*> argv = pointers(arguments), envp = pointers(all);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("can't make a pipe: {}", std::strerror(errno));
  pid_ = fork();
  if (pid_ == 0) become(argv.data(), envp.data(), ends[1]);
  close(ends[1]);
  pipe_ = ends[0];
  if (pid_ < 0) {
    const int error = errno;
    close(pipe_);
    fail("can't start {}: {}", arguments[0], std::strerror(error));
  }
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    stop(true);
    wait();
  }
  close(pipe_);
}

ChildProcess::Read ChildProcess::read_line(std::string& line, std::chrono::milliseconds timeout) {
  if (take_line(line)) return Read::line;
  if (ended_) return Read::end;
  pollfd entry{pipe_, POLLIN, 0};
  if (poll(&entry, 1, int(timeout.count())) <= 0) return Read::nothing_yet;
  char block[4096];
  const ssize_t count = read(pipe_, block, sizeof(block));
  if (count > 0) {
    pending_.append(block, size_t(count));
  } else if (count == 0 || errno != EINTR) {
    ended_ = true;
  }
  if (take_line(line)) return Read::line;
  return ended_ ? Read::end : Read::nothing_yet;
}

bool ChildProcess::take_line(std::string& line) {
  size_t end = pending_.find('\n');
  if (end == std::string::npos) {
    if (!ended_ || pending_.empty()) return false;
    end = pending_.size();
  }
  line = pending_.substr(0, end);
  pending_.erase(0, end + 1);
  return true;
}

void ChildProcess::stop(bool hard) {
  if (pid_ > 0) kill(-pid_, hard ? SIGKILL : SIGTERM);
}

int ChildProcess::wait() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace nibble
