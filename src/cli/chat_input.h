#pragma once

#include <memory>
#include <string>
#include <vector>

namespace nibble {

/// Reads the user's messages: with line editing, history and completion on a terminal, line by line
/// elsewhere. A message goes on after a line that ends with a backslash, until a line of three quotes
/// that closes one, and over all lines that were pasted together.
class ChatInput {
 public:
  virtual ~ChatInput() = default;
  /// Line editing when stdin and stdout are terminals. `completions` are whole lines.
  static std::unique_ptr<ChatInput> create(bool coloured, std::vector<std::string> completions);

  enum class Status { message, interrupted, end };
  Status read(std::string& message);

 protected:
  virtual Status read_line(bool continues, std::string& line) = 0;
  /// More lines are there already: they were pasted.
  virtual bool line_is_waiting() { return false; }

 private:
  Status read_block(std::string& message);
};

}  // namespace nibble
