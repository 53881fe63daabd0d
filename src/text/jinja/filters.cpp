#include "text/jinja/filters.h"

#include "text/jinja/text.h"

namespace nibble::jinja {

namespace {

const BuiltinTable& filter_table() {
  static const BuiltinTable kTable{text_filters(), number_filters(), sequence_filters(), order_filters(),
                                   select_filters()};
  return kTable;
}

}  // namespace

bool is_filter(const std::string& name) {
  return filter_table().find(name) != nullptr;
}

Value apply_filter(Runtime& runtime, const std::string& name, Value value, Arguments arguments) {
  const auto* entry = filter_table().find(name);
  if (!entry) fail("No filter named {}.", in_quotes(name));
  arguments.positional.insert(arguments.positional.begin(), std::move(value));
  return entry->call(runtime, std::move(arguments));
}

}  // namespace nibble::jinja
