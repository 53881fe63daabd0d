#include "cli/chat_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <histedit.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cwchar>
#include <filesystem>
#include <iostream>
#include <utility>

#include "cli/terminal.h"

namespace nibble {

namespace {

constexpr std::string_view kQuotes = "\"\"\"";
constexpr int kHistoryLines = 1000;

class PlainInput : public ChatInput {
 protected:
  Status read_line(bool, std::string& line) override {
    if (std::getline(std::cin, line)) {
      if (line.ends_with('\r')) line.pop_back();
      return Status::message;
    }
    return interrupts() > 0 ? Status::interrupted : Status::end;
  }
};

/// $XDG_STATE_HOME/nibble/chat_history, readable by the user alone; empty where there is no home.
std::string history_file() {
  namespace fs = std::filesystem;
  const char *state = std::getenv("XDG_STATE_HOME"), *home = std::getenv("HOME");
  fs::path directory;
  if (state && *state == '/') {
    directory = state;
  } else if (home && *home) {
    directory = fs::path(home) / ".local" / "state";
  } else {
    return {};
  }
  directory /= "nibble";
  std::error_code error;
  if (fs::create_directories(directory, error)) fs::permissions(directory, fs::perms::owner_all, error);
  const fs::path file = directory / "chat_history";
  const int fd = open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) return {};
  fchmod(fd, 0600);
  close(fd);
  return file;
}

/// What all of the lines that begin with `typed` have in common.
std::string common_beginning(const std::vector<std::string>& lines) {
  std::string common = lines.front();
  for (const std::string& line : lines) {
    const auto end = std::mismatch(common.begin(), common.end(), line.begin(), line.end()).first;
    common.erase(end, common.end());
  }
  return common;
}

/// libedit. Its callbacks find the object through the client data.
class EditedInput : public ChatInput {
 public:
  EditedInput(bool coloured, std::vector<std::string> completions)
      : completions_(std::move(completions)), coloured_(coloured), file_(history_file()) {
    // Editing needs to know where characters end; without a locale they are taken as UTF-8.
    if (!std::setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
    history_ = history_init();
    HistEvent event;
    history(history_, &event, H_SETSIZE, kHistoryLines);
    history(history_, &event, H_SETUNIQUE, 1);
    if (!file_.empty()) history(history_, &event, H_LOAD, file_.c_str());
    edit_ = el_init("nibble", stdin, stdout, stderr);
    el_set(edit_, EL_CLIENTDATA, this);
    el_set(edit_, EL_PROMPT_ESC, &EditedInput::prompt, kEscape);
    el_set(edit_, EL_EDITOR, "emacs");
    el_set(edit_, EL_SIGNAL, 1);
    el_set(edit_, EL_GETCFN, &EditedInput::read_character);
    el_set(edit_, EL_HIST, history, history_);
    el_set(edit_, EL_ADDFN, "complete", "Complete a command", &EditedInput::complete);
    el_set(edit_, EL_BIND, "\t", "complete", nullptr);
    el_set(edit_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    el_source(edit_, nullptr);
  }
  ~EditedInput() override {
    el_end(edit_);
    history_end(history_);
  }
  EditedInput(const EditedInput&) = delete;
  EditedInput& operator=(const EditedInput&) = delete;

 protected:
  Status read_line(bool continues, std::string& line) override {
    continues_ = continues;
    // By itself el_gets writes the prompt and then prepares the terminal: a Ctrl-D typed between the two
    // would be the line discipline's, and lost.
    el_set(edit_, EL_PREP_TERM, 1);
    int length = 0;
    const char* text = el_gets(edit_, &length);
    if (interrupts() > 0) {
      const LineInfo* typed = el_line(edit_);
      line.assign(typed->buffer, size_t(typed->lastchar - typed->buffer));
      el_reset(edit_);
      std::cout << '\n';
      return Status::interrupted;
    }
    if (!text || length <= 0) return Status::end;
    line.assign(text, size_t(length));
    while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
    remember(line);
    return Status::message;
  }

  bool line_is_waiting() override {
    // Pasted text comes faster than anybody types, but not all at once.
    constexpr int kPasteMilliseconds = 20;
    pollfd waiting{STDIN_FILENO, POLLIN, 0};
    return poll(&waiting, 1, kPasteMilliseconds) > 0;
  }

 private:
  static constexpr char kEscape = '\1';  // encloses bytes of the prompt that take no place

  static EditedInput& self(EditLine* edit) {
    void* object = nullptr;
    el_get(edit, EL_CLIENTDATA, &object);
    return *static_cast<EditedInput*>(object);
  }

  /// libedit's own would wait for a key when Ctrl-C comes just before it reads: 1 and a character, 0 at the
  /// end of the input, -1 after Ctrl-C or an error.
  static int read_character(EditLine*, wchar_t* character) {
    constexpr int kLookMilliseconds = 50;
    std::mbstate_t state{};
    while (true) {
      if (interrupts() > 0) return -1;
      pollfd waiting{STDIN_FILENO, POLLIN, 0};
      const int ready = poll(&waiting, 1, kLookMilliseconds);
      if (ready < 0 && errno != EINTR) return -1;
      if (ready <= 0) continue;
      char byte = 0;
      const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return int(count);
      const size_t length = std::mbrtowc(character, &byte, 1, &state);
      if (length == size_t(-1)) state = {};  // no character: the next byte begins one
      if (length <= 1) return 1;
    }
  }

  static char* prompt(EditLine* edit) {
    EditedInput& input = self(edit);
    const std::string mark = input.continues_ ? "..." : ">>>";
    input.prompt_ = mark + " ";
    if (input.coloured_) {
      // Escape sequences stand between two escape marks, and before a character: libedit drops others.
      const std::string coloured = styled(mark, input.continues_ ? Ink::dim : Ink::green, true);
      const size_t begin = coloured.find(mark), end = begin + mark.size();
      input.prompt_ = fmt::format("{0}{1}{0}{2}{0}{3}{0} ", kEscape, coloured.substr(0, begin), mark,
                                  coloured.substr(end));
    }
    return input.prompt_.data();
  }

  static unsigned char complete(EditLine* edit, int) {
    const LineInfo* line = el_line(edit);
    const std::string typed(line->buffer, line->cursor);
    std::vector<std::string> matches;
    for (const std::string& candidate : self(edit).completions_) {
      if (candidate.starts_with(typed)) matches.push_back(candidate);
    }
    if (typed.empty() || matches.empty()) return CC_REFRESH_BEEP;
    const std::string common = common_beginning(matches);
    if (common.size() > typed.size()) {
      el_insertstr(edit, common.c_str() + typed.size());
      return CC_REFRESH;
    }
    if (matches.size() == 1) return CC_NORM;
    std::cout << '\n';
    for (const std::string& match : matches) std::cout << "  " << match << '\n';
    std::cout << std::flush;
    return CC_REDISPLAY;
  }

  void remember(const std::string& line) {
    if (line.find_first_not_of(' ') == std::string::npos) return;
    HistEvent event;
    history(history_, &event, H_ENTER, line.c_str());
    if (!file_.empty()) history(history_, &event, H_SAVE, file_.c_str());
  }

  std::vector<std::string> completions_;
  bool coloured_, continues_ = false;
  std::string file_, prompt_;
  History* history_ = nullptr;
  EditLine* edit_ = nullptr;
};

}  // namespace

std::unique_ptr<ChatInput> ChatInput::create(bool coloured, std::vector<std::string> completions) {
  if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
    return std::make_unique<EditedInput>(coloured, std::move(completions));
  }
  return std::make_unique<PlainInput>();
}

ChatInput::Status ChatInput::read(std::string& message) {
  message.clear();
  Status status = read_line(false, message);
  if (status != Status::message) return status;
  if (message.starts_with(kQuotes)) return read_block(message);
  while (true) {
    const bool escaped = message.ends_with('\\');
    if (!escaped && !line_is_waiting()) return Status::message;
    if (escaped) message.pop_back();
    std::string line;
    status = read_line(true, line);
    if (status == Status::interrupted) return status;
    if (status == Status::end) return Status::message;
    message += '\n' + line;
  }
}

ChatInput::Status ChatInput::read_block(std::string& message) {
  message.erase(0, kQuotes.size());
  while (!message.ends_with(kQuotes)) {
    std::string line;
    const Status status = read_line(true, line);
    if (status != Status::message) return status;
    message += '\n' + line;
  }
  message.resize(message.size() - kQuotes.size());
  while (message.starts_with('\n')) message.erase(0, 1);
  while (message.ends_with('\n')) message.pop_back();
  return Status::message;
}

}  // namespace nibble
