#include <algorithm>
#include <bit>
#include <optional>

#include "base/error.h"
#include "text/vocabulary.h"

namespace nibble {

namespace {

// Protocol Buffers' wire types (protobuf.dev, "Encoding").
enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  uint32_t number = 0, wire = 0;
  uint64_t value = 0;      // kVarint, kFixed32, kFixed64
  std::string_view bytes;  // kBytes
};

/// Reads the fields of one message, checked against its end.
class MessageReader {
 public:
  MessageReader(std::string_view bytes, const std::string& where, const char* whole)
      : rest_(bytes), begin_(whole), where_(where) {}

  std::optional<Field> next() {
    if (rest_.empty()) return std::nullopt;
    const uint64_t tag = varint();
    Field field{.number = uint32_t(tag >> 3), .wire = uint32_t(tag & 7)};
    switch (field.wire) {
      case kVarint:
        field.value = varint();
        break;
      case kFixed32:
        field.value = fixed(4);
        break;
      case kFixed64:
        field.value = fixed(8);
        break;
      case kBytes:
        field.bytes = take(varint());
        break;
      default:
        bad("a field of an unknown kind");
    }
    return field;
  }

  MessageReader nested(const Field& field) const {
    if (field.wire != kBytes) bad("a number where a message belongs");
    return {field.bytes, where_, begin_};
  }

 private:
  [[noreturn]] void bad(const char* what) const {
    fail("{}: not a SentencePiece model: {} before offset {}; download the file again", where_, what,
         rest_.data() - begin_);
  }

  std::string_view take(uint64_t size) {
    if (size > rest_.size()) bad("a length that goes past the end");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = uint8_t(take(1)[0]);
      value |= uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    bad("a number of more than 64 bits");
  }

  uint64_t fixed(size_t size) {
    uint64_t value = 0;
    const std::string_view bytes = take(size);
    for (size_t i = 0; i < size; ++i) value |= uint64_t(uint8_t(bytes[i])) << (8 * i);
    return value;
  }

  std::string_view rest_;
  const char* begin_;
  const std::string& where_;
};

// Field numbers and defaults of sentencepiece_model.proto (github.com/google/sentencepiece).

void read_piece(MessageReader reader, Vocabulary& vocabulary) {
  std::string text;
  float score = 0;
  int64_t type = int64_t(TokenType::normal);
  while (const auto field = reader.next()) {
    if (field->number == 1) text = field->bytes;
    if (field->number == 2) score = std::bit_cast<float>(uint32_t(field->value));
    if (field->number == 3) type = int64_t(field->value);
  }
  vocabulary.tokens.push_back(std::move(text));
  vocabulary.scores.push_back(score);
  vocabulary.types.push_back(TokenType(int32_t(type)));
}

void set_id(std::optional<int32_t>& id, uint64_t value) {
  id = int64_t(value) < 0 ? std::nullopt : std::optional(int32_t(std::min<uint64_t>(value, INT32_MAX)));
}

void read_trainer(MessageReader reader, Vocabulary& vocabulary, const std::string& where) {
  uint64_t model = 1;
  while (const auto field = reader.next()) {
    switch (field->number) {
      case 3:
        model = field->value;
        break;
      case 24:
        if (field->value != 0) fail("{}: treat_whitespace_as_suffix is not supported", where);
        break;
      case 40:
        set_id(vocabulary.unknown, field->value);
        break;
      case 41:
        set_id(vocabulary.bos, field->value);
        break;
      case 42:
        set_id(vocabulary.eos, field->value);
        break;
      case 43:
        set_id(vocabulary.padding, field->value);
        break;
    }
  }
  constexpr const char* kModels[] = {"unknown", "unigram", "bpe", "word", "char"};
  if (model != 2) {
    fail("{}: this is a SentencePiece {} model; nibble reads BPE models", where,
         kModels[model < 5 ? model : 0]);
  }
}

void read_normalizer(MessageReader reader, Vocabulary& vocabulary, const std::string& where) {
  std::string name = "without a name";
  bool identity = true;
  vocabulary.add_space_prefix = vocabulary.remove_extra_whitespaces = true;
  while (const auto field = reader.next()) {
    if (field->number == 1) name = field->bytes;
    if (field->number == 2) identity = field->bytes.empty();
    if (field->number == 3) vocabulary.add_space_prefix = field->value != 0;
    if (field->number == 4) vocabulary.remove_extra_whitespaces = field->value != 0;
    if (field->number == 5 && field->value == 0)
      fail("{}: escape_whitespaces = false is not supported", where);
  }
  if (!identity) {
    fail(
        "{}: the SentencePiece model has the normalizer \"{}\"; nibble reads models that keep text as it is "
        "(identity)",
        where, name);
  }
}

}  // namespace

Vocabulary read_sentencepiece_model(std::string_view bytes, const std::string& where) {
  Vocabulary vocabulary;
  vocabulary.kind = TokenizerKind::sentencepiece;
  vocabulary.unknown = 0;
  vocabulary.bos = 1;
  vocabulary.eos = 2;
  vocabulary.remove_extra_whitespaces = true;
  bool has_trainer = false;
  MessageReader reader(bytes, where, bytes.data());
  while (const auto field = reader.next()) {
    if (field->number == 1) read_piece(reader.nested(*field), vocabulary);
    if (field->number == 2) {
      read_trainer(reader.nested(*field), vocabulary, where);
      has_trainer = true;
    }
    if (field->number == 3) read_normalizer(reader.nested(*field), vocabulary, where);
  }
  if (!has_trainer) fail("{}: not a SentencePiece model: it does not say how it was trained", where);
  // The package adds no begin token by itself; the models that use these files all do.
  vocabulary.add_bos = vocabulary.bos.has_value();
  check_vocabulary(vocabulary, where);
  return vocabulary;
}

}  // namespace nibble
