#include "sampling/grammar/token_table.h"
#include "engine/engine_impl.h"

namespace nibble {

std::shared_ptr<const TokenTable> Engine::token_table() const {
  const Tokenizer& all = tokenizer();
  std::call_once(impl_->token_table_made, [&] {
    std::vector<std::string> bytes(std::max<size_t>(all.size(), model().config().vocab));
    std::vector<int32_t> ends;
    for (size_t id = 0; id < all.size(); ++id) {
      bytes[id] = all.piece(int32_t(id));
      if (all.ends_answer(int32_t(id))) ends.push_back(int32_t(id));
    }
    impl_->token_table = std::make_shared<const TokenTable>(std::move(bytes), std::move(ends));
  });
  return impl_->token_table;
}

}  // namespace nibble
