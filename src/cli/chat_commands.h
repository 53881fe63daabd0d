#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/chat_session.h"

namespace nibble {

enum class CommandOutcome { done, regenerate, quit };

/// Runs a line that begins with "/". `print` gets what there is to read. Throws Error for commands that
/// don't exist or can't be done.
CommandOutcome run_chat_command(const std::string& line, ChatSession& session,
                                const std::function<void(const std::string&)>& print);

/// All lines that a half-typed command may become, for completion.
std::vector<std::string> chat_command_lines();

}  // namespace nibble
