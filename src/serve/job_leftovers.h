#pragma once

#include <filesystem>
#include <vector>

namespace nibble {

/// What quantize and optimize leave beside their output when they are ended: OUT.partial and
/// OUT.optimize.partial with their states, from which the same command goes on, the models OUT.trial and
/// OUT.best, and files that were being written.
std::vector<std::filesystem::path> job_leftovers(const std::filesystem::path& output);
/// One of them is a state.
bool may_go_on(const std::filesystem::path& output);
/// What can't be removed stays.
void remove_leftovers(const std::filesystem::path& output);

}  // namespace nibble
