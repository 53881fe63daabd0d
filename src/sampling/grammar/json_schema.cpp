#include "sampling/grammar/json_schema.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/utf8.h"
#include "sampling/grammar/json_numbers.h"
#include "sampling/grammar/json_parts.h"
#include "sampling/grammar/multiples.h"
#include "sampling/grammar/regex.h"
#include "sampling/grammar/schema_merge.h"
#include "sampling/grammar/string_formats.h"

namespace nibble {

namespace {

using Node = Automaton::Node;

constexpr size_t kMostBytes = 1'000'000;  ///< of a schema's text
constexpr int kMostDepth = 200;
constexpr uint32_t kMostDivisor = 1000;  ///< a node for each remainder and digit
constexpr size_t kMostValues = 50'000;   ///< of (sub)schemas looked at, so that a circle of references ends

class SchemaCompiler {
 public:
  SchemaCompiler(Automaton& automaton, const Schema& root) : a_(automaton), parts_(automaton), root_(root) {}

  Automaton::Rule compile() { return rule(root_, "#"); }

 private:
  [[noreturn]] void error(const std::string& where, std::string_view what) const {
    fail("JSON schema: {} at '{}'", what, where);
  }

  /// The rule of a schema, made once however often it is asked for: recursion ends there.
  Automaton::Rule rule(const Schema& schema, const std::string& where) {
    const auto [it, added] = rules_.try_emplace(schema.dump(), 0);
    if (!added) return it->second;
    const Automaton::Rule made = it->second = a_.new_rule();
    if (++depth_ > kMostDepth)
      error(where, fmt::format("more than {} schemas inside each other", kMostDepth));
    const std::vector<std::string> outer = std::exchange(references_, {});
    a_.define(made, value(schema, where));
    references_ = outer;
    --depth_;
    return made;
  }

  /// A value inside another.
  Node inner(const Schema& schema, const std::string& where, Node next) {
    if (schema == true || (schema.is_object() && schema.empty())) return parts_.any_value(next);
    return a_.call(rule(schema, where), next);
  }

  const Schema& target(const std::string& reference, const std::string& where) const {
    if (!reference.starts_with('#')) {
      error(where, fmt::format("the reference '{}' leaves the schema, which is not supported,", reference));
    }
    try {
      return root_.at(Schema::json_pointer(reference.substr(1)));
    } catch (const Schema::exception&) {
      error(where, fmt::format("the reference '{}' leads nowhere", reference));
    }
  }

  /// The schema with what $ref and allOf bring to it.
  Schema resolve(Schema schema, const std::string& where) {
    while (schema.is_object() && (schema.contains("$ref") || schema.contains("allOf"))) {
      if (++values_ > kMostValues) error(where, "too much");
      check_schema_keywords(schema, where);
      if (schema.contains("$ref")) {
        const auto reference = schema["$ref"].get<std::string>();
        if (std::ranges::count(references_, reference) > 0) {
          error(where, fmt::format("'{}' refers to itself with nothing in between", reference));
        }
        references_.push_back(reference);
        schema.erase("$ref");
        schema = merge_schemas(schema, target(reference, where), where);
        continue;
      }
      const Schema all = schema["allOf"];
      schema.erase("allOf");
      const std::vector<std::string> outer = references_;
      for (const Schema& part : all) {
        schema = merge_schemas(schema, resolve(part, where), where);
        references_ = outer;
      }
    }
    return schema;
  }

  /// The value that a rule describes, up to the rule's end.
  Node value(const Schema& given, const std::string& where) {
    if (++values_ > kMostValues) error(where, "too much");
    const Schema schema = resolve(given, where);
    if (schema.is_boolean()) return schema.get<bool>() ? parts_.any_value(Automaton::kReturn) : a_.nothing();
    if (!schema.is_object()) error(where, "neither an object nor true or false");
    check_schema_keywords(schema, where);
    for (const char* keyword : {"anyOf", "oneOf"}) {
      if (schema.contains(keyword)) return alternatives(schema, keyword, where);
    }
    bool fixed = false;
    const std::vector<Schema> values = schema_values(schema, fixed);
    if (fixed) return literals(schema, values, where);
    const std::set<std::string> types = schema_types(schema);
    if (types.empty()) {
      return schema.contains("type") ? a_.nothing() : parts_.any_value(Automaton::kReturn);
    }
    std::vector<Node> starts;
    for (const std::string& type : types) starts.push_back(of_type(type, schema, where));
    return a_.any_of(std::move(starts));
  }

  Node alternatives(const Schema& schema, const std::string& keyword, const std::string& where) {
    Schema rest = schema;
    rest.erase(keyword);
    std::vector<Schema> all;
    for (const Schema& alternative : schema[keyword]) all.push_back(merge_schemas(rest, alternative, where));
    const std::string here = where + "/" + keyword;
    if (keyword == "oneOf") check_exclusive(all, here);
    std::vector<Node> starts;
    const std::vector<std::string> outer = references_;
    for (size_t i = 0; i < all.size(); ++i) {
      starts.push_back(value(all[i], fmt::format("{}/{}", here, i)));
      references_ = outer;
    }
    return starts.empty() ? a_.nothing() : a_.any_of(std::move(starts));
  }

  /// A value that fulfils two of them would be wrong, so each must be told from the others.
  void check_exclusive(const std::vector<Schema>& all, const std::string& where) {
    std::vector<Schema> resolved;
    const std::vector<std::string> outer = references_;
    for (const Schema& alternative : all) {
      resolved.push_back(resolve(alternative, where));
      references_ = outer;
    }
    for (size_t i = 0; i < all.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (schemas_exclude_each_other(resolved[j], resolved[i])) continue;
        error(where,
              fmt::format("a value may fulfil the alternatives {} and {} of oneOf (use anyOf, or a required "
                          "property whose const differs)",
                          j, i));
      }
    }
  }

  Node literals(const Schema& schema, const std::vector<Schema>& values, const std::string& where) {
    for (const auto& [key, unused] : schema.items()) {
      const bool said = key == "const" || key == "enum" || key == "type";
      if (!said && !schema_types(Schema{{key, unused}}).empty()) {
        error(where, fmt::format("'{}' beside const or enum, which is not supported,", key));
      }
    }
    std::vector<Node> starts;
    for (const Schema& v : values) starts.push_back(a_.literal(v.dump(), Automaton::kReturn));
    return starts.empty() ? a_.nothing() : a_.any_of(std::move(starts));
  }

  Node of_type(const std::string& type, const Schema& schema, const std::string& where) {
    constexpr Node kEnd = Automaton::kReturn;
    if (type == "object") return object(schema, where);
    if (type == "array") return array(schema, where);
    if (type == "string") return string(schema, where);
    if (type == "number" || type == "integer") return number(type, schema, where);
    if (type == "boolean") return parts_.any_boolean(kEnd);
    if (type == "null") return parts_.null(kEnd);
    error(where, fmt::format("the type '{}' is not one of JSON", type));
  }

  uint32_t count(const Schema& schema, const char* key, uint32_t otherwise, const std::string& where) const {
    if (!schema.contains(key)) return otherwise;
    const double number = schema[key].get<double>();
    if (!(number >= 0 && number <= 1e9 && number == double(uint32_t(number)))) {
      error(where, fmt::format("'{}' is {}, but must be a whole number from 0 to a thousand million,", key,
                               schema[key].dump()));
    }
    return uint32_t(number);
  }

  /// What numbers must be multiples of; nothing where they need not.
  std::optional<uint32_t> divisor(const Schema& schema, const std::string& where) const {
    if (!schema.contains("multipleOf")) return {};
    const Schema& given = schema["multipleOf"];
    const double number = given.is_number() ? given.get<double>() : 0;
    if (!(number >= 1 && number <= kMostDivisor && number == std::floor(number))) {
      error(where, fmt::format("'multipleOf' is {}, but only whole numbers from 1 to {} are supported,",
                               given.dump(), kMostDivisor));
    }
    return uint32_t(number);
  }

  /// Whatever is a multiple of a whole number is one.
  Node number(const std::string& type, const Schema& schema, const std::string& where) {
    const std::optional<uint32_t> divided = divisor(schema, where);
    const bool whole = type == "integer" || divided;
    NumberBounds bounds;
    const auto bound = [&](const char* key, bool included, bool least) {
      if (!schema.contains(key)) return;
      if (!schema[key].is_number()) error(where, fmt::format("'{}' is not a number", key));
      const Decimal d = Decimal::parse(schema[key].dump());
      auto [place, place_included] =
          least ? std::tie(bounds.least, bounds.least_included) : std::tie(bounds.most, bounds.most_included);
      const int order = place ? compare(d, *place) : 0;
      if (place && (least ? order < 0 : order > 0)) return;
      place_included = included && (!place || order != 0 || place_included);
      place = d;
    };
    bound("minimum", true, true);
    bound("exclusiveMinimum", false, true);
    bound("maximum", true, false);
    bound("exclusiveMaximum", false, false);
    if (!whole && !bounds.least && !bounds.most) return parts_.any_number(Automaton::kReturn);
    if (divided && *divided > 1) return multiples(a_, integer_ranges(bounds), *divided, Automaton::kReturn);
    const std::string regex = whole ? integer_regex(bounds) : number_regex(bounds);
    if (regex.empty()) return a_.nothing();
    return Regex(regex).build(a_, &Automaton::character, Automaton::kReturn);
  }

  Node string(const Schema& schema, const std::string& where) {
    const uint32_t least = count(schema, "minLength", 0, where);
    const uint32_t most = count(schema, "maxLength", Automaton::kUnbounded, where);
    const bool pattern = schema.contains("pattern"), format = schema.contains("format");
    if (!pattern && !format) {
      if (least > most) return a_.nothing();
      if (least == 0 && most == Automaton::kUnbounded) return parts_.any_string(Automaton::kReturn);
      return parts_.string(least, most, Automaton::kReturn);
    }
    if (pattern && format) error(where, "'pattern' and 'format' together are not supported");
    const Regex regex(pattern ? schema["pattern"].get<std::string>()
                              : string_format_regex(schema["format"].get<std::string>()));
    const auto [shortest, longest] = regex.lengths(pattern);
    const bool bounded_above = schema.contains("maxLength");
    if (shortest < least || (bounded_above && longest > most)) {
      error(where,
            fmt::format("'{}' allows lengths that minLength or maxLength does not, which is not supported: "
                        "put the bounds into the pattern",
                        pattern ? "pattern" : "format"));
    }
    const Node close = a_.literal("\"", Automaton::kReturn);
    const Regex::Character character = &Automaton::json_character;
    return a_.literal("\"",
                      pattern ? regex.build_search(a_, character, close) : regex.build(a_, character, close));
  }

  Node array(const Schema& schema, const std::string& where) {
    const uint32_t least = count(schema, "minItems", 0, where);
    uint32_t most = count(schema, "maxItems", Automaton::kUnbounded, where);
    const Schema items = schema.value("items", Schema(true));
    const auto item = [&](Node next) { return inner(items, where + "/items", next); };
    if (items == false)
      most = std::min<uint32_t>(most, uint32_t(schema.value("prefixItems", Schema()).size()));
    if (least > most) return a_.nothing();
    if (!schema.contains("prefixItems")) {
      if (items == true && least == 0 && most == Automaton::kUnbounded) {
        return parts_.any_array(Automaton::kReturn);
      }
      return parts_.list('[', item, least, most, ']', Automaton::kReturn);
    }
    return tuple(schema, least, most, item, where);
  }

  /// An array whose first items have schemas of their own. Further ones are written only where `items` or
  /// minItems asks for them.
  Node tuple(const Schema& schema, uint32_t least, uint32_t most, const Automaton::Part& item,
             const std::string& where) {
    const Schema& prefix = schema["prefixItems"];
    const auto listed = uint32_t(std::min<size_t>(prefix.size(), most));
    if (!schema.contains("items")) most = std::min(most, std::max(listed, least));
    const Node end = parts_.whitespace(a_.literal("]", Automaton::kReturn));
    const auto further = [&](Node after) { return parts_.comma(item(after)); };
    const uint32_t rest = most == Automaton::kUnbounded ? most : most - listed;
    Node next = a_.repeat(further, least > listed ? least - listed : 0, rest, end);
    for (uint32_t i = listed; i-- > 0;) {
      next = inner(prefix[i], fmt::format("{}/prefixItems/{}", where, i), next);
      next = i > 0 ? parts_.comma(next) : parts_.whitespace(next);
      if (i >= least) next = a_.any_of({next, end});
    }
    return a_.literal("[", next);
  }

  Node object(const Schema& schema, const std::string& where) {
    const Schema properties = schema.value("properties", Schema::object());
    const Schema required = schema.value("required", Schema::array());
    const uint32_t least = count(schema, "minProperties", 0, where);
    const uint32_t most = count(schema, "maxProperties", Automaton::kUnbounded, where);
    // Without a list of properties any may be written, else only where the schema says what they are.
    const bool free = properties.empty() && required.empty();
    const Schema others = schema.value("additionalProperties", Schema(free));
    if (!free) return members(schema, others, least, most, where);
    if (least > 1)
      error(where, "'minProperties' above 1 without that many required properties is not supported,");
    const bool none = others == false;
    const auto member = [&](Node next) {
      return parts_.other_key({}, inner(others, where + "/additionalProperties", next));
    };
    if (others == true && least == 0 && most == Automaton::kUnbounded) {
      return parts_.any_object(Automaton::kReturn);
    }
    return parts_.list('{', member, least, none ? 0 : most, '}', Automaton::kReturn);
  }

  struct Member {
    std::string name;
    Schema schema;
    bool required;
  };

  std::vector<Member> listed_members(const Schema& schema, const Schema& others) {
    std::vector<Member> all;
    const Schema properties =
        schema.value("properties", Schema::object());  // outlives the loop over its items
    for (const auto& [name, property] : properties.items()) {
      all.push_back({name, property, false});
    }
    for (const Schema& name : schema.value("required", Schema::array())) {
      const auto text = name.get<std::string>();
      const auto found = std::ranges::find_if(all, [&](const Member& m) { return m.name == text; });
      if (found != all.end()) {
        found->required = true;
      } else {
        all.push_back({text, schema.contains("additionalProperties") ? others : Schema(true), true});
      }
    }
    return all;
  }

  Node members(const Schema& schema, const Schema& others, uint32_t least, uint32_t most,
               const std::string& where) {
    const std::vector<Member> all = listed_members(schema, others);
    const auto asked = size_t(std::ranges::count_if(all, [](const Member& m) { return m.required; }));
    if (asked > most) return a_.nothing();
    if (least > asked || (most < all.size() || (others != false && most != Automaton::kUnbounded))) {
      error(where,
            fmt::format("'{}' beside 'properties' is not supported: make the properties required, or list "
                        "fewer",
                        least > asked ? "minProperties" : "maxProperties"));
    }
    const Node end = parts_.whitespace(a_.literal("}", Automaton::kReturn));
    // What may follow when something was written already, and when nothing was.
    Node after_some = end, after_none = end;
    if (others != false) {
      std::vector<std::string> names;
      for (const Member& m : all) names.push_back(m.name);
      const auto other = [&](Node next) {
        return parts_.other_key(names, inner(others, where + "/additionalProperties", next));
      };
      after_some = a_.star([&](Node next) { return parts_.comma(other(next)); }, end);
      after_none = a_.any_of({parts_.whitespace(other(after_some)), end});
    }
    for (size_t i = all.size(); i-- > 0;) {
      const Node member =
          parts_.key(all[i].name, inner(all[i].schema, where + "/properties/" + all[i].name, after_some));
      std::vector<Node> some = {parts_.comma(member)}, none = {parts_.whitespace(member)};
      if (!all[i].required) {
        some.push_back(after_some);
        none.push_back(after_none);
      }
      after_some = a_.any_of(std::move(some));
      after_none = a_.any_of(std::move(none));
    }
    return a_.literal("{", after_none);
  }

  Automaton& a_;
  JsonParts parts_;
  const Schema& root_;
  std::map<std::string, Automaton::Rule> rules_;  ///< by the schema's text
  std::vector<std::string> references_;           ///< followed since the value began
  int depth_ = 0;
  size_t values_ = 0;
};

Schema parse_schema(std::string_view text) {
  if (text.size() > kMostBytes) fail("JSON schema: more than {} bytes", kMostBytes);
  const auto within_depth = [](int depth, Schema::parse_event_t, Schema&) {
    if (depth > kMostDepth) fail("JSON schema: more than {} levels inside each other", kMostDepth);
    return true;
  };
  return Schema::parse(text, within_depth);
}

}  // namespace

std::shared_ptr<const Automaton> json_schema_automaton(std::string_view schema) {
  auto automaton = std::make_shared<Automaton>();
  try {
    const Schema root = parse_schema(schema);
    automaton->finish(SchemaCompiler(*automaton, root).compile());
  } catch (const Schema::exception& wrong) {
    fail("the JSON schema is not one: {}", wrong.what());
  }
  return automaton;
}

}  // namespace nibble
