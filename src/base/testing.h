#pragma once

#include <functional>
#include <string>

#include "base/error.h"

/// What the tests of all folders share.
namespace nibble::testing {

/// The message of the Error that the action throws, or "no error".
inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace nibble::testing
