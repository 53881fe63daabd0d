#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace nibble {

/// Objects keep the order of the text: properties are written in it.
using Schema = nlohmann::ordered_json;

/// Throws Error that names the keyword and `where` (a JSON pointer) when the schema has one that is not
/// supported.
void check_schema_keywords(const Schema& schema, const std::string& where);

/// A schema that accepts what both accept: allOf of the two, without their $ref, which the caller has
/// resolved. Throws Error that names the keyword for what cannot be merged.
Schema merge_schemas(const Schema& a, const Schema& b, const std::string& where);

/// The types a schema allows, "integer" never beside "number"; by what its keywords speak of where it names
/// none; empty where nothing says so. With const or enum those of the values.
std::set<std::string> schema_types(const Schema& schema);

/// The values of const or enum that have one of the types; `fixed` says whether there is a list.
std::vector<Schema> schema_values(const Schema& schema, bool& fixed);

/// True when it can be told that no value fulfils both.
bool schemas_exclude_each_other(const Schema& a, const Schema& b);

}  // namespace nibble
