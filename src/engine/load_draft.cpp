#include "base/error.h"
#include "engine/engine_impl.h"
#include "engine/vocabulary_loader.h"

namespace nibble {

void Engine::Impl::load_draft(const std::filesystem::path& path) {
  const auto checkpoint = Checkpoint::open(path);
  const uint32_t own = model->config().vocab, other = checkpoint->config().vocab;
  bool same = own == other;
  // Matrices may have a few rows more than there are tokens.
  if (tokenizer && has_vocabulary(*checkpoint)) {
    same = load_vocabulary(*checkpoint).tokens == tokenizer->vocabulary().tokens;
  }
  if (!same) {
    fail(
        "{}: a draft model must have the tokens of the model it drafts for, but these are others: take a "
        "small "
        "model of the same family",
        path.string());
  }
  draft = std::make_unique<Forward>(Model::load(checkpoint, pool), pool);
}

}  // namespace nibble
