#include "sampling/grammar/string_formats.h"

#include <fmt/format.h>

#include <map>
#include <vector>

#include "base/error.h"

namespace nibble {

namespace {

/// February ends with its 28th, so that the year does not matter.
#define NIBBLE_DATE                                                \
  "[12][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|" \
  "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
#define NIBBLE_TIME \
  "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
#define NIBBLE_LABEL "[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?"
#define NIBBLE_BYTE "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"

const std::map<std::string, std::string_view>& formats() {
  static const std::map<std::string, std::string_view> all = {
      {"date", NIBBLE_DATE},
      {"time", NIBBLE_TIME},
      {"date-time", NIBBLE_DATE "T" NIBBLE_TIME},
      {"duration", "P(?:[0-9]{1,4}D(?:T[0-9]{1,4}[HMS])?|T[0-9]{1,4}[HMS]|[0-9]{1,4}[WMY])"},
      {"email",
       "[A-Za-z0-9_]+(?:[.+-][A-Za-z0-9_]+){0,4}@" NIBBLE_LABEL "(?:\\." NIBBLE_LABEL "){0,3}\\.[a-z]{2,10}"},
      {"hostname", NIBBLE_LABEL "(?:\\." NIBBLE_LABEL "){0,4}"},
      {"ipv4", NIBBLE_BYTE "(?:\\." NIBBLE_BYTE "){3}"},
      {"ipv6", "[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){7}"},
      {"uri",
       "https?://" NIBBLE_LABEL "(?:\\." NIBBLE_LABEL "){0,4}(?::[1-9][0-9]{0,3})?(?:/[A-Za-z0-9._~-]*)*"
       "(?:\\?[A-Za-z0-9._~=&-]*)?(?:#[A-Za-z0-9._~-]*)?"},
      {"uuid", "[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"},
  };
  return all;
}

#undef NIBBLE_DATE
#undef NIBBLE_TIME
#undef NIBBLE_LABEL
#undef NIBBLE_BYTE

}  // namespace

std::string_view string_format_regex(const std::string& format) {
  const auto found = formats().find(format);
  if (found != formats().end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [name, regex] : formats()) names.push_back(name);
  fail("the JSON schema has the format '{}', which is not supported: use {}, or a pattern", format,
       fmt::join(names, ", "));
}

}  // namespace nibble
