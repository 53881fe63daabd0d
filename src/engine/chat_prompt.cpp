#include "engine/chat_prompt.h"

#include <optional>

namespace nibble {

std::string render_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                        nlohmann::ordered_json context) {
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  const auto name = [&](std::optional<int32_t> id) {
    return id ? vocabulary.tokens[size_t(*id)] : std::string();
  };
  context["bos_token"] = name(vocabulary.bos);
  context["eos_token"] = name(vocabulary.eos);
  return chat_template.render(context);
}

std::vector<int32_t> encode_rendered(const Tokenizer& tokenizer, std::string_view text) {
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  auto ids = tokenizer.encode(text, {.add_special = false, .parse_special = true});
  if (vocabulary.add_bos && vocabulary.bos && (ids.empty() || ids.front() != *vocabulary.bos)) {
    ids.insert(ids.begin(), *vocabulary.bos);
  }
  return ids;
}

}  // namespace nibble
