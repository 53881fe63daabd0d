#pragma once

#include <string>

#include "engine/engine.h"

/// What the text commands share: colours where they belong, Ctrl-C, the line after an answer.
namespace nibble {

/// Colours on a terminal, unless NO_COLOR is set (no-color.org) or TERM is dumb; plain text elsewhere.
enum class Ink { dim, bold, red, green };
std::string styled(const std::string& text, Ink ink, bool coloured);
bool colours_on(int file_descriptor);

/// From now on Ctrl-C is counted instead of ending the program; the third one in a row ends it.
void catch_interrupts();
int interrupts();
void forget_interrupts();
/// From now on Ctrl-C and SIGTERM print this line before they end the program.
void announce_on_interrupt(const char* line);
/// Ends the program as Ctrl-C would have.
[[noreturn]] void end_interrupted();

/// Prints a dim line to stderr, after what stdout has.
void print_status(const std::string& line);

/// "87 tokens, 96.1 tokens/s (prefill 410 tokens/s), memory 188 MB, context 143 of 4096".
std::string answer_summary(const Generation& answer, const Engine& engine);

/// "1 token", "2 tokens".
std::string counted(size_t count, const std::string& thing);
/// "188 MB", "4.1 GB".
std::string readable_bytes(uint64_t bytes);

}  // namespace nibble
