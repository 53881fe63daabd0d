#pragma once

#include <string>
#include <vector>

namespace nibble {

/// Finds out before the work whether a file can be written: throws UsageError when it is a directory or a
/// device, lies in a directory that is not there, is one of the inputs, or a file that an input directory
/// consists of. `flag` is how the user named it.
void check_output_path(const std::string& flag, const std::string& path,
                       const std::vector<std::string>& inputs);

/// Makes the directory of a --report where one is asked for. Throws Error when it can't be made.
void make_report_directory(const std::string& path);

/// Throws Error when a file cannot be opened for reading; empty paths are none.
void check_input_file(const std::string& path);

}  // namespace nibble
