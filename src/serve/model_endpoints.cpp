#include "serve/api_error.h"
#include "serve/endpoints.h"
#include "serve/json_fields.h"
#include "serve/model_facts.h"

namespace nibble {

namespace {

using Json = nlohmann::ordered_json;

Json openai_model(const LoadedModel& model) {
  return {{"id", model.id},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "nibble"},
          {"context", model.engine->context()}};
}

void list_openai(Exchange& exchange, ServerState& state) {
  Json data = Json::array();
  for (const auto& model : state.models.loaded()) data.push_back(openai_model(*model));
  exchange.respond({{"object", "list"}, {"data", data}});
}

void list_all(Exchange& exchange, ServerState& state, ModelFacts& facts) {
  Json models = Json::array();
  for (const ModelHub::Entry& entry : state.models.entries()) {
    const auto loaded = state.models.find_loaded(entry.id);
    Json model = {{"id", entry.id}, {"path", entry.path.string()}};
    model.update(facts.of(entry.path));
    model["loaded"] = loaded != nullptr;
    const double rate = loaded ? loaded->decode_tokens_per_s() : 0;
    model["tokens_per_s"] = rate > 0 ? Json(rate) : Json();
    models.push_back(std::move(model));
  }
  exchange.respond({{"models", models}});
}

std::string wanted_id(Exchange& exchange) {
  const Json body = JsonFields::parse_body(exchange.request.body);
  const auto id = JsonFields(body).text("id");
  if (!id) fail_field("id", "id is missing: /api/models lists them");
  return *id;
}

void load(Exchange& exchange, ServerState& state) {
  const auto model = state.models.load(wanted_id(exchange));
  exchange.log["model"] = model->id;
  exchange.respond(openai_model(*model));
}

void unload(Exchange& exchange, ServerState& state) {
  const std::string id = wanted_id(exchange);
  state.models.unload(id);
  exchange.log["model"] = id;
  exchange.respond({{"id", id}, {"loaded", false}});
}

}  // namespace

void add_model_endpoints(Router& router, ServerState& state) {
  router.add("GET", "/v1/models", [&state](Exchange& exchange) { list_openai(exchange, state); });
  router.add("GET", "/v1/models/{id}", [&state](Exchange& exchange) {
    exchange.respond(openai_model(*state.models.get(exchange.request.segments.at("id"))));
  });
  const auto facts = std::make_shared<ModelFacts>();
  router.add("GET", "/api/models",
             [&state, facts](Exchange& exchange) { list_all(exchange, state, *facts); });
  router.add("POST", "/api/models/load", [&state](Exchange& exchange) { load(exchange, state); });
  router.add("POST", "/api/models/unload", [&state](Exchange& exchange) { unload(exchange, state); });
}

}  // namespace nibble
