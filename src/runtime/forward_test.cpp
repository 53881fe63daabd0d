#include "runtime/forward.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "base/half.h"
#include "base/testing.h"
#include "formats/gguf.h"
#include "model/gguf_config.h"
#include "model/tensor_names.h"

namespace nibble {
namespace {

using ::testing::HasSubstr;

/// Grouped queries over heads of 24, tied embeddings, a window shorter than the sequences.
ModelConfig tiny_config() {
  ModelConfig c;
  c.architecture = "llama";
  c.n_layers = 2;
  c.hidden = 96;
  c.ffn = 160;
  c.n_heads = 4;
  c.n_kv_heads = 2;
  c.head_dim = 24;
  c.vocab = 70;
  c.context_length = 1000;
  c.sliding_window = 90;
  c.rope.dims = 24;
  c.tied_embeddings = true;
  return c;
}

std::vector<std::byte> random_tensor(DType dtype, uint64_t elements, bool is_norm, std::mt19937& random) {
  std::uniform_real_distribution<float> uniform(-0.5f, 0.5f);
  if (dtype == DType::F32) {
    std::vector<float> values(elements);
    for (float& value : values) value = is_norm ? 1.0f + 0.2f * uniform(random) : 0.6f * uniform(random);
    const auto bytes = std::as_bytes(std::span(values));
    return {bytes.begin(), bytes.end()};
  }
  std::vector<std::byte> bytes(*tensor_bytes(dtype, 1, elements));
  for (std::byte& byte : bytes) byte = std::byte(random());
  // Each block of Q8_0 begins with its scale.
  const half scale = float_to_half(0.003f);
  for (size_t i = 0; i < bytes.size(); i += 34) std::memcpy(&bytes[i], &scale, sizeof scale);
  return bytes;
}

std::shared_ptr<const Model> random_model(const ModelConfig& config, DType dtype, ThreadPool& pool) {
  const std::string path = ::testing::TempDir() + "nibble-forward-" + std::to_string(getpid()) + ".gguf";
  GgufMetadata metadata;
  write_config(config, metadata);
  std::vector<GgufWriter::Tensor> tensors;
  const auto declare = [&](const std::vector<ExpectedTensor>& expected) {
    for (const ExpectedTensor& e : expected) {
      tensors.push_back({e.name, e.shape.size() == 1 ? DType::F32 : dtype, e.shape});
    }
  };
  declare(expected_model_tensors(config));
  for (uint32_t layer = 0; layer < config.n_layers; ++layer) declare(expected_layer_tensors(config, layer));
  GgufWriter writer(path, metadata, tensors);
  std::mt19937 random(5);
  for (const GgufWriter::Tensor& tensor : tensors) {
    uint64_t elements = 1;
    for (const uint64_t n : tensor.shape) elements *= n;
    writer.write(random_tensor(tensor.dtype, elements, tensor.shape.size() == 1, random));
  }
  writer.finish();
  auto model = Model::load(Checkpoint::open(path), pool);
  std::filesystem::remove(path);  // stays mapped
  return model;
}

std::vector<int32_t> random_tokens(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> ids(n);
  for (int32_t& id : ids) id = int32_t(random() % tiny_config().vocab);
  return ids;
}

std::vector<BatchToken> batch_of(std::span<const int32_t> ids, uint32_t sequence) {
  std::vector<BatchToken> batch;
  for (const int32_t id : ids) batch.push_back({id, sequence, true});
  return batch;
}

struct Case {
  DType dtype;
  KvType kv;
};

class ForwardTest : public ::testing::TestWithParam<Case> {
 protected:
  static constexpr size_t kVocab = 70;

  std::vector<float> logits(const std::vector<BatchToken>& batch, KvCache& cache) {
    const auto result = forward_.run(batch, cache);
    return {result.begin(), result.end()};
  }
  /// Logits of a sequence that has the cache and one call for itself.
  std::vector<float> alone(std::span<const int32_t> ids) {
    KvCache cache(config_, 1, uint32_t(ids.size()), GetParam().kv);
    return logits(batch_of(ids, 0), cache);
  }

  const ModelConfig config_ = tiny_config();
  ThreadPool pool_{1};
  std::shared_ptr<const Model> model_ = random_model(config_, GetParam().dtype, pool_);
  Forward forward_{model_, pool_};
  const std::vector<int32_t> ids_ = random_tokens(150, 1);
};

INSTANTIATE_TEST_SUITE_P(Types, ForwardTest,
                         ::testing::Values(Case{DType::F32, KvType::f32}, Case{DType::F32, KvType::f16},
                                           Case{DType::Q8_0, KvType::f16}, Case{DType::F32, KvType::int8},
                                           Case{DType::Q8_0, KvType::int4}),
                         [](const auto& param) {
                           return std::string(dtype_name(param.param.dtype)) + "_" +
                                  std::string(kv_type_name(param.param.kv));
                         });

TEST_P(ForwardTest, ChunksAndSingleTokensGiveTheSameBits) {
  const std::vector<float> expected = alone(ids_);
  ASSERT_EQ(expected.size(), ids_.size() * kVocab);
  EXPECT_NE(expected[0], expected[kVocab]);
  for (const std::vector<size_t>& chunks :
       {std::vector<size_t>{1}, std::vector<size_t>{7}, std::vector<size_t>{64, 1, 1, 33, 2}}) {
    KvCache cache(config_, 1, 150, GetParam().kv);
    std::vector<float> result;
    for (size_t first = 0, i = 0; first < ids_.size(); ++i) {
      const size_t count = std::min(chunks[i % chunks.size()], ids_.size() - first);
      const auto part = logits(batch_of(std::span(ids_).subspan(first, count), 0), cache);
      result.insert(result.end(), part.begin(), part.end());
      first += count;
    }
    EXPECT_EQ(cache.length(0), ids_.size());
    EXPECT_TRUE(result == expected) << "chunks of " << chunks[0];
  }
}

TEST_P(ForwardTest, HiddenStatesAreWhatLogitsAreMadeOf) {
  if (GetParam().dtype != DType::F32) return;  // the product would be of rounded numbers
  auto batch = batch_of(ids_, 0);
  for (size_t i = 0; i < batch.size(); ++i) batch[i].wants_hidden = i % 3 == 0;
  KvCache cache(config_, 1, 150, GetParam().kv);
  std::vector<float> hidden, all;
  forward_.run(
      batch, cache, [&](std::span<const float> rows) { all.insert(all.end(), rows.begin(), rows.end()); },
      [&](std::span<const float> rows) { hidden.insert(hidden.end(), rows.begin(), rows.end()); });
  ASSERT_EQ(hidden.size(), 50 * config_.hidden);
  std::vector<float> row(config_.hidden);
  for (size_t id = 0; id < kVocab; ++id) {
    model_->embed(id, row.data());
    for (size_t i = 0; i < 50; ++i) {
      double sum = 0, size = 0;
      for (size_t k = 0; k < config_.hidden; ++k) {
        sum += double(hidden[i * config_.hidden + k]) * double(row[k]);
        size += std::abs(double(hidden[i * config_.hidden + k]) * double(row[k]));
      }
      // Each of the additions may be off by half a unit in the last place.
      EXPECT_NEAR(all[3 * i * kVocab + id], sum, size * double(config_.hidden) * 0x1p-24);
    }
  }
}

TEST_P(ForwardTest, ThreadsGiveTheSameBits) {
  const std::vector<float> expected = alone(ids_);
  for (const int threads : {2, 3}) {
    ThreadPool pool(threads);
    Forward forward(model_, pool);
    KvCache cache(config_, 1, 150, GetParam().kv);
    const auto result = forward.run(batch_of(ids_, 0), cache);
    EXPECT_TRUE(std::ranges::equal(result, expected)) << threads << " threads";
  }
}

TEST_P(ForwardTest, SequencesOfABatchDoNotChangeEachOther) {
  // Token by token in turns, the lengths differing.
  const std::vector<std::vector<int32_t>> sequences = {random_tokens(150, 2), random_tokens(3, 3),
                                                       random_tokens(70, 4)};
  std::vector<BatchToken> batch;
  std::vector<std::pair<size_t, size_t>> origin;
  for (size_t i = 0; i < 150; ++i) {
    for (size_t s = 0; s < sequences.size(); ++s) {
      if (i >= sequences[s].size()) continue;
      batch.push_back({sequences[s][i], uint32_t(s), true});
      origin.push_back({s, i});
    }
  }
  KvCache cache(config_, 3, 150, GetParam().kv);
  const std::vector<float> together = logits(batch, cache);
  std::vector<std::vector<float>> expected;
  for (const auto& sequence : sequences) expected.push_back(alone(sequence));
  for (size_t row = 0; row < origin.size(); ++row) {
    const auto [s, i] = origin[row];
    ASSERT_TRUE(
        std::equal(&together[row * kVocab], &together[row * kVocab] + kVocab, &expected[s][i * kVocab]))
        << "sequence " << s << " token " << i;
  }
}

TEST_P(ForwardTest, OnlyWantedLogitsComeInOrder) {
  const std::vector<float> all = alone(ids_);
  std::vector<BatchToken> batch = batch_of(ids_, 0);
  for (size_t i = 0; i < batch.size(); ++i) batch[i].wants_logits = i == 4 || i == 100 || i == 149;
  KvCache cache(config_, 1, 150, GetParam().kv);
  const std::vector<float> wanted = logits(batch, cache);
  ASSERT_EQ(wanted.size(), 3 * kVocab);
  for (size_t row = 0; row < 3; ++row) {
    const size_t token = row == 0 ? 4 : row == 1 ? 100 : 149;
    EXPECT_TRUE(std::equal(&wanted[row * kVocab], &wanted[row * kVocab] + kVocab, &all[token * kVocab]));
  }
  EXPECT_TRUE(logits({{1, 0, false}}, *std::make_unique<KvCache>(config_, 1, 1)).empty());
  EXPECT_TRUE(logits({}, cache).empty());
}

TEST_P(ForwardTest, ManySlicesAreOneSequence) {
  const std::vector<int32_t> ids = random_tokens(Forward::kMaxSlice + 100, 6);
  const std::vector<float> collected = alone(ids);
  KvCache cache(config_, 1, uint32_t(ids.size()), GetParam().kv);
  std::vector<float> streamed;
  forward_.run(batch_of(ids, 0), cache, [&](std::span<const float> rows) {
    EXPECT_LE(rows.size(), Forward::kMaxLogitRows * kVocab);
    streamed.insert(streamed.end(), rows.begin(), rows.end());
  });
  EXPECT_TRUE(streamed == collected);
  KvCache stepwise(config_, 1, uint32_t(ids.size()), GetParam().kv);
  const std::span<const int32_t> view(ids);
  forward_.run(batch_of(view.first(300), 0), stepwise);
  const std::vector<float> rest = logits(batch_of(view.subspan(300), 0), stepwise);
  EXPECT_TRUE(std::equal(rest.begin(), rest.end(), collected.begin() + 300 * kVocab));
}

TEST_P(ForwardTest, SharedPrefixesAndForgottenTokensLeaveNoTrace) {
  const std::vector<float> expected = alone(ids_);
  KvCache cache(config_, 2, 150, GetParam().kv);
  forward_.run(batch_of(ids_, 0), cache);
  cache.copy_prefix(0, 1, 100);
  forward_.run(batch_of(random_tokens(20, 9), 1), cache);
  cache.truncate(1, 100);
  const std::vector<float> rest = logits(batch_of(std::span(ids_).subspan(100), 1), cache);
  EXPECT_TRUE(std::equal(rest.begin(), rest.end(), expected.begin() + 100 * kVocab));
}

class ForwardErrorTest : public ::testing::Test {
 protected:
  std::string error_of(const std::vector<BatchToken>& batch, KvCache& cache) {
    return testing::error_of([&] { forward_.run(batch, cache); });
  }

  ThreadPool pool_{2};
  const ModelConfig config_ = tiny_config();
  Forward forward_{random_model(config_, DType::F32, pool_), pool_};
};

TEST_F(ForwardErrorTest, TokensOutsideTheVocabulary) {
  KvCache cache(config_, 2, 10);
  EXPECT_THAT(error_of({{1, 0}, {70, 1}}, cache), HasSubstr("token 70 at index 1"));
  EXPECT_THAT(error_of({{-1, 0}}, cache), HasSubstr("vocabulary of 70"));
  EXPECT_EQ(cache.length(0), 0u);
}

TEST_F(ForwardErrorTest, TheContextIsALimitNotACut) {
  KvCache cache(config_, 2, 10);
  forward_.run(batch_of(random_tokens(9, 1), 1), cache);
  EXPECT_THAT(error_of(batch_of(random_tokens(2, 1), 1), cache),
              ::testing::AllOf(HasSubstr("11 tokens"), HasSubstr("context of 10"), HasSubstr("--context")));
  EXPECT_EQ(cache.length(1), 9u);
  EXPECT_EQ(error_of(batch_of(random_tokens(1, 1), 1), cache), "no error");

  KvCache larger(config_, 1, 2000);
  EXPECT_THAT(error_of(batch_of(random_tokens(1001, 1), 0), larger),
              ::testing::AllOf(HasSubstr("1001 tokens"), HasSubstr("model's context of 1000")));
  EXPECT_EQ(larger.length(0), 0u);
}

}  // namespace
}  // namespace nibble
