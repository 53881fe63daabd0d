#include "sampling/grammar/schema_merge.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace nibble {

namespace {

/// A keyword and the type of value that it speaks of; empty: any.
struct Keyword {
  std::string_view name, type;
};

constexpr std::array<Keyword, 27> kKeywords = {{{"type", ""},
                                                {"enum", ""},
                                                {"const", ""},
                                                {"anyOf", ""},
                                                {"oneOf", ""},
                                                {"allOf", ""},
                                                {"$ref", ""},
                                                {"$defs", ""},
                                                {"definitions", ""},
                                                {"properties", "object"},
                                                {"required", "object"},
                                                {"additionalProperties", "object"},
                                                {"minProperties", "object"},
                                                {"maxProperties", "object"},
                                                {"items", "array"},
                                                {"prefixItems", "array"},
                                                {"minItems", "array"},
                                                {"maxItems", "array"},
                                                {"minLength", "string"},
                                                {"maxLength", "string"},
                                                {"pattern", "string"},
                                                {"format", "string"},
                                                {"minimum", "number"},
                                                {"maximum", "number"},
                                                {"exclusiveMinimum", "number"},
                                                {"exclusiveMaximum", "number"},
                                                {"multipleOf", "number"}}};

/// Say nothing about what is valid.
constexpr std::array<std::string_view, 14> kAnnotations = {
    "title",         "description", "default",  "examples",  "example",         "$schema",
    "$id",           "deprecated",  "readOnly", "writeOnly", "contentEncoding", "contentMediaType",
    "discriminator", "$comment"};

const Keyword* find_keyword(std::string_view name) {
  const auto found = std::ranges::find_if(kKeywords, [&](const Keyword& k) { return k.name == name; });
  return found == kKeywords.end() ? nullptr : &*found;
}

bool is_annotation(std::string_view name) {
  return std::ranges::count(kAnnotations, name) > 0 || name.starts_with("x-") || name == "$defs" ||
         name == "definitions";
}

const Schema* find(const Schema& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

Schema all_of(const Schema& a, const Schema& b) {
  return a == b ? a : Schema{{"allOf", Schema::array({a, b})}};
}

std::set<std::string> named_types(const Schema& type) {
  std::set<std::string> result;
  if (type.is_string()) result.insert(type.get<std::string>());
  if (type.is_array()) {
    for (const Schema& t : type) result.insert(t.get<std::string>());
  }
  if (result.contains("number")) result.erase("integer");
  return result;
}

std::set<std::string> common_types(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::set<std::string> both;
  for (const std::string& type : a) {
    if (b.contains(type)) both.insert(type);
    if (type == "integer" && b.contains("number")) both.insert(type);
    if (type == "number" && b.contains("integer")) both.insert("integer");
  }
  return both;
}

/// What one side says of a property that only the other lists.
const Schema* others(const Schema& schema, const std::string& name) {
  const Schema* properties = find(schema, "properties");
  if (properties != nullptr && properties->contains(name)) return &(*properties)[name];
  return find(schema, "additionalProperties");
}

Schema merge_properties(const Schema& a, const Schema& b) {
  Schema merged = Schema::object();
  for (const Schema* side : {&a, &b}) {
    const Schema* properties = find(*side, "properties");
    if (properties == nullptr) continue;
    for (const auto& [name, unused] : properties->items()) {
      if (merged.contains(name)) continue;
      const Schema *in_a = others(a, name), *in_b = others(b, name);
      merged[name] = in_a && in_b ? all_of(*in_a, *in_b) : in_a ? *in_a : *in_b;
    }
  }
  return merged;
}

Schema united(const Schema& a, const Schema& b) {
  Schema all = a;
  for (const Schema& value : b) {
    if (std::ranges::count(all, value) == 0) all.push_back(value);
  }
  return all;
}

Schema common_values(const Schema& a, const Schema& b) {
  Schema both = Schema::array();
  for (const Schema& value : a) {
    if (std::ranges::count(b, value) > 0) both.push_back(value);
  }
  return both;
}

/// The alternatives of `a`, each together with those of `b`.
Schema each_with(const Schema& a, const char* keyword, const Schema& b) {
  Schema all = Schema::array();
  for (const Schema& alternative : a) all.push_back(all_of(alternative, Schema{{keyword, b}}));
  return all;
}

/// Of whole numbers that are not too large for it.
std::optional<uint64_t> common_multiple(const Schema& a, const Schema& b) {
  constexpr uint64_t kMost = 1'000'000;
  for (const Schema* side : {&a, &b}) {
    if (!side->is_number_unsigned() || *side == 0 || *side > kMost) return {};
  }
  return std::lcm(a.get<uint64_t>(), b.get<uint64_t>());
}

Schema merge_keyword(const std::string& key, const Schema& a, const Schema& b, const std::string& where) {
  if (a == b) return a;
  const std::string_view k = key;
  if (k == "type") {
    Schema types = Schema::array();
    for (const std::string& t : common_types(named_types(a), named_types(b))) types.push_back(t);
    return types;
  }
  if (k == "enum") return common_values(a, b);
  if (k == "required") return united(a, b);
  if (k == "anyOf" || k == "oneOf") return each_with(a, key.c_str(), b);
  if (k == "items" || k == "additionalProperties") return all_of(a, b);
  if (k == "multipleOf") {
    if (const auto multiple = common_multiple(a, b)) return *multiple;
  } else if (a.is_number() && b.is_number()) {
    const bool larger = k.starts_with("min") || k == "exclusiveMinimum";
    return (a < b) == larger ? b : a;
  }
  fail("JSON schema: '{}' at '{}' is given twice with different values, which cannot be merged", key, where);
}

}  // namespace

void check_schema_keywords(const Schema& schema, const std::string& where) {
  for (const auto& [key, unused] : schema.items()) {
    if (find_keyword(key) != nullptr || is_annotation(key)) continue;
    if (key == "uniqueItems" && unused == false) continue;
    fail(
        "JSON schema: the keyword '{}' at '{}' is not supported, as no mask would see to it: leave it out, "
        "and check the answer for it",
        key, where);
  }
}

Schema merge_schemas(const Schema& a, const Schema& b, const std::string& where) {
  if (a.is_boolean()) return a.get<bool>() ? b : a;
  if (b.is_boolean()) return b.get<bool>() ? a : b;
  Schema left = a, right = b;
  // A list of one value, so that const and enum meet.
  for (Schema* side : {&left, &right}) {
    if (!side->contains("const")) continue;
    const Schema value = (*side)["const"];
    side->erase("const");
    const Schema single = Schema::array({value});
    (*side)["enum"] = side->contains("enum") ? common_values((*side)["enum"], single) : single;
  }
  Schema merged = left;
  for (const auto& [key, value] : right.items()) {
    if (is_annotation(key)) continue;
    merged[key] =
        left.contains(key) && key != "properties" ? merge_keyword(key, left[key], value, where) : value;
  }
  if (left.contains("properties") || right.contains("properties")) {
    merged["properties"] = merge_properties(left, right);
  }
  return merged;
}

std::vector<Schema> schema_values(const Schema& schema, bool& fixed) {
  const Schema *one = find(schema, "const"), *list = find(schema, "enum");
  fixed = one != nullptr || list != nullptr;
  std::vector<Schema> values;
  if (one != nullptr && (list == nullptr || std::ranges::count(*list, *one) > 0)) values.push_back(*one);
  if (one == nullptr && list != nullptr) values.assign(list->begin(), list->end());
  if (const Schema* type = find(schema, "type")) {
    const auto types = named_types(*type);
    std::erase_if(values, [&](const Schema& value) {
      return common_types(types, schema_types(Schema{{"const", value}})).empty();
    });
  }
  return values;
}

std::set<std::string> schema_types(const Schema& schema) {
  std::set<std::string> types;
  if (schema.contains("const") || schema.contains("enum")) {
    bool fixed = false;
    for (const Schema& value : schema_values(schema, fixed)) {
      const bool whole = value.is_number_float() && value.get<double>() == std::floor(value.get<double>());
      types.insert(value.is_number_integer() || whole ? "integer" : value.type_name());
    }
    return types;
  }
  if (const Schema* type = find(schema, "type")) return named_types(*type);
  for (const auto& [key, unused] : schema.items()) {
    const Keyword* keyword = find_keyword(key);
    if (keyword != nullptr && !keyword->type.empty()) types.insert(std::string(keyword->type));
  }
  return types;
}

bool schemas_exclude_each_other(const Schema& a, const Schema& b) {
  if (a == false || b == false) return true;
  if (!a.is_object() || !b.is_object()) return false;
  const auto types_a = schema_types(a), types_b = schema_types(b);
  if (!types_a.empty() && !types_b.empty() && common_types(types_a, types_b).empty()) return true;
  bool fixed_a = false, fixed_b = false;
  const auto values_a = schema_values(a, fixed_a), values_b = schema_values(b, fixed_b);
  if (fixed_a && fixed_b) return common_values(values_a, values_b).empty();
  // A property that both ask for, with values that differ, tells them apart.
  const auto required = [](const Schema& s, const std::string& name) {
    const Schema* names = find(s, "required");
    return names != nullptr && std::ranges::count(*names, Schema(name)) > 0;
  };
  const Schema *in_a = find(a, "properties"), *in_b = find(b, "properties");
  if (in_a == nullptr || in_b == nullptr || types_a != types_b || types_a.size() != 1) return false;
  for (const auto& [name, property] : in_a->items()) {
    if (!in_b->contains(name) || !required(a, name) || !required(b, name)) continue;
    if (schemas_exclude_each_other(property, (*in_b)[name])) return true;
  }
  return false;
}

}  // namespace nibble
