#include "kernels/vector_ops.h"

#include "base/cpu.h"
#include "kernels/vector_ops_tables.h"

namespace nibble {

namespace {

struct Table {
  Isa isa;
  const VectorOps* ops;
};

// Best first.
constexpr Table kTables[] = {
    {Isa::avx512, &kVectorOpsAvx512},
    {Isa::avx2, &kVectorOpsAvx2},
    {Isa::scalar, &kVectorOpsScalar},
};

const VectorOps& select() {
  const Isa limit = selected_isa();
  for (const Table& table : kTables) {
    if (table.isa <= limit && cpu_supports(table.isa)) return *table.ops;
  }
  return kVectorOpsScalar;
}

}  // namespace

const VectorOps& vector_ops() {
  static const VectorOps& selected = select();
  return selected;
}

const VectorOps* vector_ops_of(Isa isa) {
  for (const Table& table : kTables) {
    if (table.isa == isa) return table.ops;
  }
  return nullptr;
}

}  // namespace nibble
