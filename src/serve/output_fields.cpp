#include "serve/output_fields.h"

#include "base/error.h"
#include "serve/api_error.h"

namespace nibble {

namespace {

constexpr int64_t kMostBeams = 256;

EarlyStopping read_early_stopping(const JsonFields& fields) {
  const auto* value = fields.find("early_stopping");
  if (!value) return EarlyStopping::off;
  if (value->is_boolean()) return value->get<bool>() ? EarlyStopping::on : EarlyStopping::off;
  if (*value == "never") return EarlyStopping::never;
  fail_field("early_stopping", "early_stopping must be true, false or \"never\"");
}

}  // namespace

void read_beams(const JsonFields& fields, uint32_t choices, GenerateParams& params) {
  BeamParams& beams = params.beams;
  beams.num_beams = uint32_t(fields.integer("num_beams", 1, kMostBeams).value_or(1));
  beams.num_beam_groups = uint32_t(fields.integer("num_beam_groups", 1, kMostBeams).value_or(1));
  beams.diversity_penalty = float(fields.number("diversity_penalty", 0, 1e6).value_or(0));
  beams.length_penalty = float(fields.number("length_penalty", -100, 100).value_or(1));
  beams.early_stopping = read_early_stopping(fields);
  if (beams.searches() && choices > beams.num_beams) {
    fail_field("n", "n is {}, but a search of {} beams (num_beams) has so many answers at most", choices,
               beams.num_beams);
  }
  if (beams.searches()) {
    beams.num_return_sequences = choices;
  } else {
    params.choices = choices;
  }
  if (fields.boolean("speculation") == false) params.speculation = Speculation::off;
}

void read_response_format(const JsonFields& fields, Grammars& grammars, GenerateParams& params) {
  const auto* format = fields.object("response_format");
  if (!format) return;
  const JsonFields inner(*format, "response_format.");
  const std::string type = inner.text("type").value_or("");
  if (type == "text") return;
  if (type == "json_object") {
    params.grammar = grammars.any_object();
  } else if (type == "json_schema") {
    const auto* named = inner.object("json_schema");
    if (!named) fail_field("response_format.json_schema", "response_format.json_schema is missing");
    const JsonFields holder(*named, "response_format.json_schema.");
    require_schema(holder.required("schema"), holder.path("schema"), grammars, params);
  } else if (type == "regex") {
    const auto regex = inner.text("regex");
    if (!regex) fail_field("response_format.regex", "response_format.regex is missing");
    try {
      params.grammar = grammars.regex(*regex);
    } catch (const Error& error) {
      fail_field("response_format.regex", "response_format.regex: {}", error.what());
    }
  } else {
    fail_field("response_format.type",
               "response_format.type is '{}', but must be text, json_object, json_schema or regex", type);
  }
}

void require_schema(const nlohmann::ordered_json& schema, const std::string& param, Grammars& grammars,
                    GenerateParams& params) {
  try {
    params.grammar = grammars.schema(schema.dump());
  } catch (const Error& error) {
    fail_field(param, "{}: {}", param, error.what());
  }
}

}  // namespace nibble
