#include "model/tensor_names.h"

#include <gtest/gtest.h>

#include "model/testing.h"

namespace nibble {
namespace {

TEST(TensorNames, EveryExpectedTensorHasAHuggingFaceName) {
  for (const std::string architecture : {"llama", "qwen2", "qwen3"}) {
    ModelConfig config = testing::small_config(architecture);
    config.output_bias = true;
    for (const ExpectedTensor& tensor : testing::all_expected_tensors(config)) {
      const std::string hf = hf_tensor_name(tensor.name);
      EXPECT_NE(hf, tensor.name);
      EXPECT_EQ(gguf_tensor_name(hf), tensor.name);
    }
  }
  EXPECT_EQ(hf_tensor_name("blk.17.ffn_gate.weight"), "model.layers.17.mlp.gate_proj.weight");
  EXPECT_EQ(gguf_tensor_name("layers.3.self_attn.o_proj.bias"), "blk.3.attn_output.bias");
  EXPECT_EQ(gguf_tensor_name("model.layers.3.unheard.of"), "blk.3.unheard.of");
  EXPECT_EQ(gguf_tensor_name("visual.blocks.0.weight"), std::nullopt);
  EXPECT_EQ(gguf_tensor_name("model.layers.x.weight"), std::nullopt);
}

TEST(TensorNames, SplitsLayerNames) {
  const auto name = split_layer_name("blk.12.attn_q.weight");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->layer, 12u);
  EXPECT_EQ(name->part, "attn_q.weight");
  for (const char* other : {"output.weight", "blk.", "blk.x.y", "blk.7", "blk.99999999999999999999999.x"}) {
    EXPECT_FALSE(split_layer_name(other).has_value()) << other;
  }
}

}  // namespace
}  // namespace nibble
