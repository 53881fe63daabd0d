#include "text/normalize_nfc.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "base/utf8.h"
#include "text/unicode_classes.h"

namespace nibble {

namespace {

void append_nfc(std::string& out, std::string_view stretch) {
  utf8proc_uint8_t* mapped = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(stretch.data()),
                                 utf8proc_ssize_t(stretch.size()), &mapped,
                                 utf8proc_option_t(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (size < 0) fail("can't normalize text: {}", utf8proc_errmsg(size));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  out.append(reinterpret_cast<const char*>(mapped), size_t(size));
}

/// Marks of newer Unicode versions than the classes': to these they are characters like any other.
bool is_unknown_mark(std::string_view text) {
  const CodePoint point = decode_utf8(text);
  return point.length > 0 && utf8proc_get_property(utf8proc_int32_t(point.value))->combining_class != 0;
}

}  // namespace

std::optional<std::string> normalize_nfc(std::string_view text) {
  const UnicodeClasses& classes = UnicodeClasses::get();
  std::string out;
  bool changed = false;
  size_t copied = 0;    // text before it is in `out`
  size_t previous = 0;  // beginning of the character before `at`: the first that a mark can compose with
  for (size_t at = 0; at < text.size();) {
    if (uint8_t(text[at]) < 0x80) {
      previous = at++;
      continue;
    }
    CodePoint point = decode_utf8(text.substr(at));
    if (point.length == 0 || (classes[point.value] & kNfcUnsafe) == 0) {
      previous = point.length == 0 ? at + 1 : at;
      at += point.length == 0 ? 1 : size_t(point.length);
      continue;
    }
    size_t end = at;
    for (; point.length > 0 && (classes[point.value] & kNfcUnsafe) != 0;
         point = decode_utf8(text.substr(end))) {
      end += size_t(point.length);
    }
    if (is_unknown_mark(text.substr(previous, at - previous))) previous = at;
    out.append(text.substr(copied, previous - copied));
    append_nfc(out, text.substr(previous, end - previous));
    changed = true;
    copied = previous = at = end;
  }
  if (!changed) return std::nullopt;
  out.append(text.substr(copied));
  return out;
}

}  // namespace nibble
