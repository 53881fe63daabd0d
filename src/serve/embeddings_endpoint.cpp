#include <openssl/evp.h>

#include <cstring>

#include "base/error.h"
#include "serve/api_error.h"
#include "serve/endpoints.h"
#include "serve/json_fields.h"

namespace nibble {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostInputs = 2048;

/// Little-endian float32, as OpenAI's Python client asks for by default.
std::string base64(const std::vector<float>& values) {
  std::string out(4 * ((values.size() * sizeof(float) + 2) / 3), '\0');
  std::vector<unsigned char> encoded(out.size() + 1);
  EVP_EncodeBlock(encoded.data(), reinterpret_cast<const unsigned char*>(values.data()),
                  int(values.size() * sizeof(float)));
  std::memcpy(out.data(), encoded.data(), out.size());
  return out;
}

/// A text, a list of texts, a list of token ids, or a list of such lists.
std::vector<std::vector<int32_t>> read_inputs(const JsonFields& fields, const Tokenizer& tokenizer) {
  const Json& input = fields.required("input");
  std::vector<std::vector<int32_t>> inputs;
  const auto add = [&](const Json& one) {
    inputs.push_back(one.is_string() ? tokenizer.encode(one.get<std::string>())
                                     : read_token_ids(one, "input", tokenizer.size()));
    if (inputs.back().empty()) fail_field("input", "input is empty: give at least one token");
  };
  if (input.is_array() && !input.empty() && !input.front().is_number()) {
    if (input.size() > kMostInputs) fail_field("input", "input has more than {} entries", kMostInputs);
    for (const Json& one : input) add(one);
  } else {
    add(input);
  }
  return inputs;
}

void embed(Exchange& exchange, ServerState& state) {
  const Json body = JsonFields::parse_body(exchange.request.body);
  const JsonFields fields(body);
  const auto model = state.models.get(fields.text("model").value_or(""));
  exchange.log["model"] = model->id;
  const std::string format = fields.text("encoding_format").value_or("float");
  if (format != "float" && format != "base64") {
    fail_field("encoding_format", "encoding_format is '{}', but must be float or base64", format);
  }
  const uint32_t size = model->engine->model().config().hidden;
  if (fields.integer("dimensions").value_or(size) != size) {
    fail_field("dimensions", "this model's embeddings have {} dimensions, and no others", size);
  }
  Json data = Json::array();
  size_t tokens = 0;
  for (auto& input : read_inputs(fields, model->engine->tokenizer())) {
    if (exchange.client_gone() || state.cut) throw ApiError(503, "the request was given up", {}, "cancelled");
    tokens += input.size();
    std::vector<float> vector;
    try {
      vector = model->scheduler->embed(std::move(input));
    } catch (const QueueFull&) {
      throw ApiError(429, "too many requests wait already: try again in a moment", {}, "queue_full");
    } catch (const Error& error) {
      throw ApiError(400, error.what(), "input");
    }
    data.push_back({{"object", "embedding"},
                    {"index", data.size()},
                    {"embedding", format == "float" ? Json(vector) : Json(base64(vector))}});
  }
  exchange.respond({{"object", "list"},
                    {"data", std::move(data)},
                    {"model", model->id},
                    {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}});
}

}  // namespace

void add_embeddings_endpoint(Router& router, ServerState& state) {
  router.add("POST", "/v1/embeddings", [&state](Exchange& exchange) { embed(exchange, state); });
}

}  // namespace nibble
