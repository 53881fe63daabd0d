#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace nibble {

/// The text of a conversation. `context`: messages, add_generation_prompt, and what else the template may
/// ask for; the names of the begin and end tokens are added. Throws Error as ChatTemplate::render.
std::string render_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                        nlohmann::ordered_json context);

/// Prompt ids of a rendered conversation, special tokens parsed. A begin token that the vocabulary asks for
/// is put first when the template does not write it.
std::vector<int32_t> encode_rendered(const Tokenizer& tokenizer, std::string_view text);

}  // namespace nibble
