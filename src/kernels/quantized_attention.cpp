#include "kernels/quantized_attention.h"

#include "base/cpu.h"
#include "kernels/quantized_attention_tables.h"

namespace nibble {

namespace {

struct Table {
  Isa isa;
  const QuantizedAttentionOps* ops;
};

// Best first.
constexpr Table kTables[] = {
    {Isa::avx512_vnni, &vnni::quantized_attention},  {Isa::avx512, &avx512::quantized_attention},
    {Isa::avx_vnni, &avx_vnni::quantized_attention}, {Isa::avx2, &avx2::quantized_attention},
    {Isa::scalar, &ref::quantized_attention},
};

const QuantizedAttentionOps& select() {
  const Isa limit = selected_isa();
  for (const Table& table : kTables) {
    if (table.isa <= limit && cpu_supports(table.isa)) return *table.ops;
  }
  return ref::quantized_attention;
}

}  // namespace

const QuantizedAttentionOps& quantized_attention_ops() {
  static const QuantizedAttentionOps& selected = select();
  return selected;
}

const QuantizedAttentionOps* quantized_attention_ops_of(Isa isa) {
  for (const Table& table : kTables) {
    if (table.isa == isa) return table.ops;
  }
  return nullptr;
}

}  // namespace nibble
