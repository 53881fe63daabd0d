#include "serve/endpoints.h"
#include "serve/openapi.h"

namespace nibble {

void add_document_endpoint(Router& router) {
  router.add(
      "GET", "/openapi.json", [](Exchange& exchange) { exchange.response.body = openapi_document(); },
      Router::Access::open);
}

}  // namespace nibble
