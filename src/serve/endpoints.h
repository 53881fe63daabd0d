#pragma once

#include "serve/jobs.h"
#include "serve/router.h"
#include "serve/server_state.h"

namespace nibble {

/// Each adds the routes of one family; the state must outlive the router.
void add_chat_endpoint(Router& router, ServerState& state);         ///< /v1/chat/completions
void add_completions_endpoint(Router& router, ServerState& state);  ///< /v1/completions
void add_embeddings_endpoint(Router& router, ServerState& state);   ///< /v1/embeddings
void add_tokenize_endpoints(Router& router, ServerState& state);  ///< /tokenize, /detokenize, /tokenizer_info
void add_model_endpoints(Router& router, ServerState& state);     ///< /v1/models, /api/models, load, unload
void add_status_endpoints(Router& router, ServerState& state);    ///< /health, /metrics, /api/status
void add_job_endpoints(Router& router, ServerState& state, JobQueue& jobs);  ///< /api/jobs
void add_document_endpoint(Router& router);                                  ///< /openapi.json

}  // namespace nibble
