#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "runtime/attention.h"

/// Attention of one token over a cache much larger than the processor's caches: each iteration goes over
/// all layers as decode does. Bytes are those of the keys and values that are read.
namespace nibble {
namespace {

struct Shape {
  const char* name;
  uint32_t layers, heads, kv_heads, head_dim;
};
constexpr Shape kShapes[] = {{"llama2-7b", 32, 32, 32, 128}, {"llama3-8b", 32, 32, 8, 128}};

ModelConfig config_of(const Shape& shape) {
  ModelConfig config;
  config.n_layers = shape.layers;
  config.n_heads = shape.heads;
  config.n_kv_heads = shape.kv_heads;
  config.head_dim = shape.head_dim;
  return config;
}

void decode(benchmark::State& state, const Shape& shape, KvType type) {
  const uint32_t depth = uint32_t(state.range(0));
  const ModelConfig config = config_of(shape);
  ThreadPool pool(int(state.range(1)));
  KvCache cache(config, 1, depth, type);
  std::vector<float> values(2 * shape.heads * shape.head_dim);
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(int(i * 2654435761u >> 16 & 1023) - 512) / 512;
  cache.make_room(0, depth);
  pool.parallel_for(depth, 64, [&](size_t begin, size_t end) {
    for (uint32_t layer = 0; layer < shape.layers; ++layer) {
      for (size_t t = begin; t < end; ++t)
        cache.append(layer, 0, uint32_t(t), &values[t % 997], &values[t % 991]);
    }
  });
  cache.set_length(0, depth);
  Attention attention(config);
  const uint32_t token = 0;
  const QueryBlock block{0, depth - 1, {&token, 1}};
  std::vector<float> out(shape.heads * shape.head_dim);
  for (auto _ : state) {
    for (uint32_t layer = 0; layer < shape.layers; ++layer) {
      attention.run(cache, layer, {&block, 1}, values.data(), out.data(), pool);
    }
  }
  benchmark::DoNotOptimize(out.data());
  state.SetBytesProcessed(int64_t(state.iterations()) * int64_t(cache.used_bytes()));
}

void register_all() {
  for (const Shape& shape : kShapes) {
    for (const KvType type : {KvType::f32, KvType::f16, KvType::int8, KvType::int4}) {
      const std::string name = std::string("decode/") + shape.name + "/" + std::string(kv_type_name(type));
      benchmark::RegisterBenchmark(name.c_str(), decode, shape, type)
          ->ArgNames({"depth", "threads"})
          ->Args({4096, 0})
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
    }
  }
}

}  // namespace
}  // namespace nibble

int main(int argc, char** argv) {
  nibble::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
