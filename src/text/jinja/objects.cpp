#include "text/jinja/objects.h"

#include <algorithm>

#include "text/jinja/operators.h"
#include "text/jinja/text.h"
#include "text/jinja/unicode.h"

namespace nibble::jinja {

namespace {

/// Yields at(0), at(1), ..., at(size - 1), in that order or from the end.
template <typename At>
Iterator each(size_t size, bool from_end, At at) {
  return [size, from_end, at, done = size_t(0)]() mutable -> std::optional<Value> {
    if (done == size) return std::nullopt;
    const size_t index = done++;
    return at(from_end ? size - 1 - index : index);
  };
}

size_t range_size(int64_t start, int64_t stop, int64_t step) {
  if (step == 0) fail("range() arg 3 must not be zero");
  const Int span = step > 0 ? Int(stop) - start : Int(start) - stop;
  const Int stride = step > 0 ? Int(step) : -Int(step);
  const Int size = span > 0 ? (span - 1) / stride + 1 : 0;
  if (size > kMaxRange) {
    fail("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).", kMaxRange);
  }
  return size_t(size);
}

}  // namespace

Range::Range(int64_t start, int64_t stop, int64_t step)
    : start_(start), stop_(stop), step_(step), size_(range_size(start, stop, step)) {}

std::string Range::repr(Runtime&) const {
  const std::string step = step_ == 1 ? "" : ", " + int_text(step_);
  return "range(" + int_text(start_) + ", " + int_text(stop_) + step + ")";
}

std::optional<Value> Range::attribute(std::string_view name) {
  if (name == "start") return Value::integer(start_);
  if (name == "stop") return Value::integer(stop_);
  if (name == "step") return Value::integer(step_);
  return std::nullopt;
}

std::optional<Value> Range::item(const Value& key) {
  if (!key.is_int()) return std::nullopt;
  const Int index = key.as_int() < 0 ? key.as_int() + Int(size_) : key.as_int();
  if (index < 0 || index >= Int(size_)) return std::nullopt;
  return at(size_t(index));
}

Iterator Range::iterate() {
  return each(size_, false, [self = *this](size_t i) { return self.at(i); });
}

Iterator Range::iterate_reversed() {
  return each(size_, true, [self = *this](size_t i) { return self.at(i); });
}

bool Range::equals(const Object& other) const {
  const auto* range = dynamic_cast<const Range*>(&other);
  if (!range || range->size_ != size_) return false;
  return size_ == 0 || (range->start_ == start_ && (size_ == 1 || range->step_ == step_));
}

std::string DictView::type_name() const {
  return part_ == Part::keys ? "dict_keys" : part_ == Part::values ? "dict_values" : "dict_items";
}

Value DictView::at(size_t index) const {
  const auto& [key, value] = dict_->entries()[index];
  if (part_ == Part::items) return Value::tuple({key, value});
  return part_ == Part::keys ? key : value;
}

std::string DictView::repr(Runtime& runtime) const {
  std::vector<Value> items;
  runtime.budget().charge_elements(dict_->size());
  for (size_t i = 0; i < dict_->size(); ++i) items.push_back(at(i));
  return type_name() + "(" + jinja::repr(runtime, Value::list(std::move(items))) + ")";
}

Iterator DictView::iterate() {
  return each(dict_->size(), false, [self = *this](size_t i) { return self.at(i); });
}

Iterator DictView::iterate_reversed() {
  return each(dict_->size(), true, [self = *this](size_t i) { return self.at(i); });
}

Iterator Generator::iterate() {
  return [self = std::static_pointer_cast<Generator>(shared_from_this())] { return self->next_(); };
}

std::string Namespace::repr(Runtime& runtime) const {
  Dict dict;
  for (const auto& [name, value] : attributes_) dict.set(Value::string(name), value);
  return "<Namespace " + jinja::repr(runtime, Value::dict(std::move(dict))) + ">";
}

std::optional<Value> Namespace::attribute(std::string_view name) {
  for (const auto& [key, value] : attributes_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

void Namespace::set(std::string_view name, Value value) {
  for (auto& [key, old] : attributes_) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  attributes_.emplace_back(std::string(name), std::move(value));
}

Iterator iterate_reversed(const Value& value) {
  if (value.is_list() || value.is_tuple()) {
    return each(value.items().size(), true, [value](size_t i) { return value.items()[i]; });
  }
  if (value.is_dict()) {
    return each(value.as_dict().size(), true,
                [value](size_t i) { return value.as_dict().entries()[i].first; });
  }
  if (value.is_string()) {
    return [value, end = value.text().size()]() mutable -> std::optional<Value> {
      if (end == 0) return std::nullopt;
      const size_t bytes = character_before(value.text(), end).bytes;
      end -= bytes;
      return Value::string(value.text().substr(end, bytes));
    };
  }
  if (value.is_undefined()) return iterate(value);
  return value.is_object() ? value.as_object().iterate_reversed() : Iterator();
}

}  // namespace nibble::jinja
