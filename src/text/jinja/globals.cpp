#include <chrono>
#include <ctime>

#include "text/jinja/builtin.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/text.h"

namespace nibble::jinja {

namespace {

/// cycler(a, b, ...): next() gives one after the other, over and over.
class Cycler : public Object {
 public:
  explicit Cycler(Value items) : items_(std::move(items)) {}
  std::string type_name() const override { return "Cycler"; }
  std::optional<Value> attribute(std::string_view name) override;
  int depth() const override { return items_.depth(); }

  Value next() {
    Value current = items_.items()[position_];
    position_ = (position_ + 1) % items_.items().size();
    return current;
  }
  void reset() { position_ = 0; }

 private:
  Value items_;
  size_t position_ = 0;
};

/// joiner(", "): nothing the first time it is called, the separator from then on.
class Joiner : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) { check_value_depth(depth()); }
  std::string type_name() const override { return "Joiner"; }
  bool callable() const override { return true; }
  Value call(Runtime&, Arguments) override {
    if (used_) return separator_;
    used_ = true;
    return Value::string("");
  }
  int depth() const override { return separator_.depth() + 1; }

 private:
  Value separator_;
  bool used_ = false;
};

Value cycler_next(Runtime&, const Bound& bound) {
  return bound[0].object_as<Cycler>()->next();
}

Value cycler_reset(Runtime&, const Bound& bound) {
  bound[0].object_as<Cycler>()->reset();
  return {};
}

std::optional<Value> Cycler::attribute(std::string_view name) {
  static const Builtin kMethods[] = {{"next", "self /", cycler_next}, {"reset", "self /", cycler_reset}};
  static const BuiltinTable kTable(kMethods);
  if (name == "current") return items_.items()[position_];
  const auto* entry = kTable.find(name);
  if (!entry) return std::nullopt;
  return Value::object(std::make_shared<BuiltinFunction>(*entry, Value::object(shared_from_this())));
}

Value make_cycler(Runtime& runtime, const Bound& bound) {
  if (bound.rest.positional.empty()) fail("at least one item has to be provided");
  return Value::object(std::make_shared<Cycler>(runtime.make_tuple(bound.rest.positional)));
}

Value make_joiner(Runtime&, const Bound& bound) {
  return Value::object(std::make_shared<Joiner>(bound.get(0) ? bound[0] : Value::string(", ")));
}

Value make_range(Runtime&, const Bound& bound) {
  if (!bound.get(1)) return Value::object(std::make_shared<Range>(0, to_index(bound[0]), 1));
  return Value::object(std::make_shared<Range>(to_index(bound[0]), to_index(bound[1]), bound.integer(2, 1)));
}

/// dict(mapping or pairs, **keywords)
Dict dict_from(Runtime& runtime, const Bound& bound) {
  Dict dict;
  if (const Value* source = bound.get(0); source && source->is_dict()) {
    runtime.budget().charge_elements(2 * source->as_dict().size());
    dict = source->as_dict();
  } else if (source) {
    for (const Value& pair : to_vector(runtime, *source)) {
      const std::vector<Value> parts = to_vector(runtime, pair);
      if (parts.size() != 2)
        fail("dictionary update sequence element has length {}; 2 is required", parts.size());
      dict.set(parts[0], parts[1]);
    }
  }
  for (const auto& [name, value] : bound.rest.keywords) {
    runtime.budget().charge_elements(2);
    dict.set(Value::string(name), value);
  }
  return dict;
}

Value make_dict(Runtime& runtime, const Bound& bound) {
  return Value::dict(dict_from(runtime, bound));
}

Value make_namespace(Runtime& runtime, const Bound& bound) {
  const auto space = std::make_shared<Namespace>();
  const Dict dict = dict_from(runtime, bound);
  for (const auto& [name, value] : dict.entries()) space->set(to_text(runtime, name), value);
  runtime.at_end([space] { space->clear(); });
  return Value::object(space);
}

[[noreturn]] Value raise_exception(Runtime& runtime, const Bound& bound) {
  fail("{}", to_text(runtime, bound[0]));
}

/// datetime.now().strftime(format): local time without a zone.
Value strftime_now(Runtime& runtime, const Bound& bound) {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto micros =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count() % 1000000;
  std::tm local{};
  localtime_r(&seconds, &local);
  const std::string& format = bound.text(0);
  std::string out;
  for (size_t at = 0; at < format.size();) {
    // Item by item: the C library limits the length of the whole, and does not know %f.
    if (format[at] != '%' || at + 1 == format.size()) {
      out += format[at++];
      continue;
    }
    const size_t length = std::string_view("-_0^#EO").find(format[at + 1]) != std::string_view::npos ? 3 : 2;
    const std::string item = format.substr(at, length);
    at += item.size();
    if (item == "%f") {
      out += fmt::format("{:06}", micros);
    } else if (item != "%z" && item != "%Z") {
      char buffer[256];
      out.append(buffer, std::strftime(buffer, sizeof buffer, item.c_str(), &local));
    }
    runtime.budget().charge(sizeof(std::tm));
  }
  return runtime.make_string(std::move(out));
}

const BuiltinTable& table() {
  static const Builtin kFunctions[] = {
      {"range", "start stop? step? /", make_range},
      {"dict", "mapping? / **", make_dict},
      {"namespace", "mapping? / **", make_namespace},
      {"cycler", "*", make_cycler},
      {"joiner", "sep?", make_joiner},
      {"raise_exception", "message", raise_exception},
      {"strftime_now", "format", strftime_now},
  };
  static const BuiltinTable kTable(kFunctions);
  return kTable;
}

}  // namespace

std::vector<std::pair<std::string_view, Value>> global_functions() {
  std::vector<std::pair<std::string_view, Value>> functions;
  for (const char* name :
       {"range", "dict", "namespace", "cycler", "joiner", "raise_exception", "strftime_now"}) {
    functions.emplace_back(name, Value::object(std::make_shared<BuiltinFunction>(*table().find(name))));
  }
  return functions;
}

}  // namespace nibble::jinja
