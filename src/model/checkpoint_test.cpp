#include "model/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "model/testing.h"

namespace nibble {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::error_of;
using testing::f32_tensors;
using testing::fresh_directory;
using ::testing::HasSubstr;
using testing::metadata_of;
using testing::small_config;
using testing::SmallDirectory;
using testing::write_gguf;

/// The error that a change of the tensors of a good GGUF file brings.
std::string gguf_error(const std::function<void(std::vector<GgufWriter::Tensor>&)>& change) {
  const ModelConfig config = small_config();
  auto tensors = f32_tensors(config);
  change(tensors);
  const auto path = fresh_directory("checkpoint") / "m.gguf";
  write_gguf(path, metadata_of(config), tensors);
  return error_of([&] { Checkpoint::open(path); });
}

GgufWriter::Tensor& named(std::vector<GgufWriter::Tensor>& tensors, const std::string& name) {
  return *std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.name == name; });
}

TEST(Checkpoint, OpensGguf) {
  const ModelConfig config = small_config("qwen3");
  auto tensors = f32_tensors(config);
  named(tensors, "blk.1.ffn_up.weight").dtype = DType::Q4_K;
  tensors.push_back(
      {"v.patch_embd.weight", DType::F32, {4, 4}});  // another part's, which makes no difference
  const auto path = fresh_directory("checkpoint") / "m.gguf";
  write_gguf(path, metadata_of(config), tensors);
  const auto checkpoint = Checkpoint::open(path);
  EXPECT_EQ(checkpoint->path(), path);
  EXPECT_EQ(checkpoint->config().architecture, "qwen3");
  EXPECT_EQ(checkpoint->file_bytes(), std::filesystem::file_size(path));
  EXPECT_EQ(checkpoint->tensors().size(), tensors.size() - 1);
  EXPECT_NE(checkpoint->gguf(), nullptr);
  // 2 x 48 x 256 + 256, and per layer 256 (64 x (4 + 2 + 2 + 4) + 3 x 512 + 2) + 2 x 64.
  EXPECT_EQ(checkpoint->parameters(), 2 * 48 * 256 + 256 + 2 * (256 * (768 + 1536 + 2) + 128));
  EXPECT_EQ(checkpoint->get("blk.1.ffn_up.weight").dtype, DType::Q4_K);
  EXPECT_EQ(checkpoint->find("v.patch_embd.weight"), nullptr);
  EXPECT_THAT(error_of([&] { checkpoint->get("blk.9.x"); }), HasSubstr("blk.9.x"));
  const TensorView& embedding = checkpoint->get("token_embd.weight");
  checkpoint->release(embedding);
  EXPECT_EQ(*reinterpret_cast<const float*>(embedding.data.data()), 1.0f);
}

TEST(Checkpoint, RefusesMissingTensors) {
  for (const char* name :
       {"token_embd.weight", "output_norm.weight", "blk.1.attn_k.weight", "blk.0.ffn_norm.weight"}) {
    EXPECT_THAT(
        gguf_error([&](auto& tensors) { std::erase_if(tensors, [&](auto& t) { return t.name == name; }); }),
        AllOf(HasSubstr("m.gguf"), HasSubstr(name), HasSubstr("missing")));
  }
}

TEST(Checkpoint, RefusesLayerCountsThatLie) {
  ModelConfig config = small_config();
  const auto tensors = f32_tensors(config);
  const auto path = fresh_directory("checkpoint") / "m.gguf";
  config.n_layers = 2000000000;
  write_gguf(path, metadata_of(config), tensors);
  EXPECT_THAT(error_of([&] { Checkpoint::open(path); }),
              HasSubstr("tensor blk.2.attn_norm.weight is missing"));
  config.n_layers = 1;
  write_gguf(path, metadata_of(config), tensors);
  EXPECT_THAT(error_of([&] { Checkpoint::open(path); }),
              AllOf(HasSubstr("blk.1."), HasSubstr("beyond the 1")));
}

TEST(Checkpoint, RefusesWrongShapesAndTypes) {
  EXPECT_THAT(gguf_error([](auto& t) {
                named(t, "blk.1.ffn_down.weight").shape = {512, 256};
              }),
              AllOf(HasSubstr("blk.1.ffn_down.weight"), HasSubstr("[512, 256]"), HasSubstr("[256, 512]")));
  EXPECT_THAT(gguf_error([](auto& t) {
                named(t, "output_norm.weight").shape = {1, 256};
              }),
              AllOf(HasSubstr("output_norm.weight"), HasSubstr("[1, 256]")));
  EXPECT_THAT(gguf_error([](auto& t) { named(t, "token_embd.weight").shape = {256}; }),
              AllOf(HasSubstr("token_embd.weight"), HasSubstr("[256]")));
  EXPECT_THAT(gguf_error([](auto& t) { named(t, "blk.0.attn_norm.weight").dtype = DType::Q8_0; }),
              AllOf(HasSubstr("blk.0.attn_norm.weight is Q8_0"), HasSubstr("F32, F16 or BF16")));
}

TEST(Checkpoint, RefusesTensorsThatChangeTheResult) {
  const auto with = [](const char* name) {
    return gguf_error([&](auto& tensors) { tensors.push_back({name, DType::F32, {32}}); });
  };
  EXPECT_THAT(with("blk.0.ffn_gate_exps.weight"),
              AllOf(HasSubstr("ffn_gate_exps"), HasSubstr("mixture of experts")));
  EXPECT_THAT(with("blk.0.attn_sinks.weight"), HasSubstr("attention sinks"));
  EXPECT_THAT(with("blk.1.attn_q_norm.weight"),
              AllOf(HasSubstr("blk.1.attn_q_norm.weight"), HasSubstr("llama")));
  EXPECT_THAT(with("blk.0.ffn_up.bias"), HasSubstr("blk.0.ffn_up.bias"));
  EXPECT_THAT(with("output.bias"), HasSubstr("output.bias is not supported"));
  EXPECT_EQ(with("blk.0.attn_rot_embd.weight"), "no error");
  EXPECT_EQ(with("rope_freqs.weight"), "no error");
}

TEST(Checkpoint, OpensHuggingFace) {
  SmallDirectory directory("hf_open");
  directory.dtype = "BF16";
  directory.tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = {32};
  directory.tensors["visual.patch.weight"] = {4};
  directory.write();
  const auto checkpoint = Checkpoint::open(directory.path);
  const ModelConfig& c = checkpoint->config();
  EXPECT_EQ(c.architecture, "llama");
  EXPECT_EQ(c.name, "hf_open");
  EXPECT_EQ(c.rope.layout, RopeLayout::halves);
  EXPECT_EQ(c.rope.dims, 64u);
  EXPECT_EQ(checkpoint->gguf(), nullptr);
  EXPECT_EQ(checkpoint->tensors().size(), directory.tensors.size() - 2);
  const TensorView& q = checkpoint->get("blk.1.attn_q.weight");
  EXPECT_EQ(q.dtype, DType::BF16);
  EXPECT_THAT(q.shape, ElementsAre(256, 256));
  EXPECT_THAT(checkpoint->get("output.weight").shape, ElementsAre(48, 256));
  checkpoint->release(q);
  EXPECT_EQ(q.data[0], std::byte(0));
}

TEST(Checkpoint, HuggingFaceConfigReachesTheModel) {
  SmallDirectory directory("hf_config", small_config("qwen2"));
  directory.config["architectures"] = {"Qwen2ForCausalLM"};
  directory.config["tie_word_embeddings"] = true;  // lm_head.weight is in the file and not used
  directory.config["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 4.0}, {"attention_factor", 1.25}};
  directory.write();
  const auto checkpoint = Checkpoint::open(directory.path);
  const ModelConfig& c = checkpoint->config();
  EXPECT_EQ(c.architecture, "qwen2");
  EXPECT_TRUE(c.qkv_bias && c.tied_embeddings);
  EXPECT_EQ(checkpoint->find("output.weight"), nullptr);
  EXPECT_EQ(c.rope.scaling, RopeScaling::yarn);
  EXPECT_EQ(c.rope.factor, 4);
  EXPECT_EQ(c.rope.original_context, 512u);
  EXPECT_EQ(c.rope.attention_factor, 1.25f);
  EXPECT_EQ(c.context_length, 2048u);
}

TEST(Checkpoint, OpensTheBareModelWithoutItsHead) {
  SmallDirectory directory("hf_bare");
  directory.config["tie_word_embeddings"] = true;
  directory.tensors.erase("lm_head.weight");
  std::map<std::string, std::vector<uint64_t>> bare;
  for (const auto& [name, shape] : directory.tensors) bare[name.substr(sizeof("model.") - 1)] = shape;
  directory.tensors = bare;
  directory.write();
  EXPECT_NE(Checkpoint::open(directory.path)->find("blk.0.attn_norm.weight"), nullptr);
}

TEST(Checkpoint, RefusesBadDirectories) {
  const auto open_error = [](const std::filesystem::path& path) {
    return error_of([&] { Checkpoint::open(path); });
  };
  const auto empty = fresh_directory("hf_empty");
  EXPECT_THAT(open_error(empty), HasSubstr("without config.json"));
  write_file(empty / "model.gguf", "GGUF");
  EXPECT_THAT(open_error(empty), AllOf(HasSubstr("name the file in it"), HasSubstr("model.gguf")));
  EXPECT_THAT(open_error(empty / "absent"), HasSubstr("absent"));

  SmallDirectory missing("hf_missing");
  missing.tensors.erase("model.layers.1.mlp.up_proj.weight");
  missing.write();
  EXPECT_THAT(open_error(missing.path), HasSubstr("tensor model.layers.1.mlp.up_proj.weight is missing"));

  SmallDirectory shape("hf_shape");
  shape.tensors["model.norm.weight"] = {128};
  shape.write();
  EXPECT_THAT(open_error(shape.path),
              AllOf(HasSubstr("model.norm.weight"), HasSubstr("[128]"), HasSubstr("[256]")));

  SmallDirectory experts("hf_experts");
  experts.tensors["model.layers.0.mlp.experts.0.up_proj.weight"] = {4};
  experts.write();
  EXPECT_THAT(open_error(experts.path), HasSubstr("mixture of experts"));

  SmallDirectory vocabulary("hf_vocabulary");
  vocabulary.config["vocab_size"] = 49;
  vocabulary.write();
  EXPECT_THAT(open_error(vocabulary.path),
              AllOf(HasSubstr("model.embed_tokens.weight"), HasSubstr("[49, 256]")));

  SmallDirectory heads("hf_heads");
  heads.config["num_key_value_heads"] = 3;
  heads.write();
  EXPECT_THAT(open_error(heads.path), AllOf(HasSubstr("config.json"), HasSubstr("3 key-value heads")));
}

/// Whatever a byte becomes, the checkpoint is opened or refused; sanitizers see to the rest.
TEST(Checkpoint, SurvivesChangedBytes) {
  ModelConfig config = small_config();
  config.n_layers = 1;
  config.hidden = 32;
  config.ffn = 32;
  config.head_dim = config.rope.dims = 8;
  config.vocab = 4;
  const auto directory = fresh_directory("checkpoint_fuzz");
  write_gguf(directory / "m.gguf", metadata_of(config), f32_tensors(config));
  const std::string original = read_file(directory / "m.gguf");
  const size_t described = original.size() - 4 * Checkpoint::open(directory / "m.gguf")->parameters();
  std::mt19937 random(99);
  int refused = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string bytes = original;
    for (uint32_t change = 0; change <= random() % 2; ++change) bytes[random() % described] = char(random());
    std::ofstream(directory / "f.gguf", std::ios::binary) << bytes;
    refused += error_of([&] { Checkpoint::open(directory / "f.gguf"); }) != "no error";
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace nibble
