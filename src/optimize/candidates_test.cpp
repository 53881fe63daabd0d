#include "optimize/candidates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace nibble {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsSupersetOf;
using ::testing::Not;

TensorView matrix(uint64_t cols, const std::string& name = "blk.0.ffn_up.weight") {
  return {name, DType::F32, {64, cols}, {}};
}

TEST(Candidates, TypesAreNamedAndLeftOut) {
  EXPECT_THAT(parse_types("q4_0,Q8_0"), ElementsAre(DType::Q4_0, DType::Q8_0));
  EXPECT_THAT(parse_types("standard"), Not(Contains(DType::INT4_G64)));
  EXPECT_THAT(parse_types("all"), IsSupersetOf({DType::INT4_G64, DType::Q4_1, DType::F16}));
  EXPECT_THAT(parse_types("all,-q4_1"), Not(Contains(DType::Q4_1)));
  EXPECT_THROW(parse_types("q4_7"), UsageError);
  EXPECT_THROW(parse_types("q4_0,q4_s50"), UsageError);
  EXPECT_THROW(parse_types("q4_0,-q4_0"), UsageError);
}

TEST(Candidates, OnlyTypesWhoseBlocksDivideTheRows) {
  const CandidateOptions options{default_types(true), true, true};
  for (const TensorRecipe& recipe : candidates_of(options, matrix(576))) {
    EXPECT_TRUE(tensor_bytes(recipe.dtype, 64, 576)) << dtype_name(recipe.dtype);
  }
  EXPECT_THAT(candidates_of(options, matrix(576)), Not(Contains(TensorRecipe{DType::Q4_K, true})));
  EXPECT_THAT(candidates_of(options, matrix(512)), Contains(TensorRecipe{DType::Q4_K, false}));
  // No block has 7 values.
  EXPECT_THAT(candidates_of({{DType::Q4_0}, true, true}, matrix(7)),
              ElementsAre(TensorRecipe{DType::F16, true}));
}

TEST(Candidates, MethodsCanBeLeftOut) {
  const auto nearest = [](const TensorRecipe& recipe) { return recipe.nearest; };
  EXPECT_THAT(candidates_of({{DType::Q4_0, DType::Q8_0}, false, true}, matrix(64)),
              Each(testing::Truly(nearest)));
  EXPECT_THAT(candidates_of({{DType::Q4_0}, true, false}, matrix(64)),
              ElementsAre(TensorRecipe{DType::Q4_0, false}));
  // What takes no codes is rounded to nearest whatever is asked for, and so is an embedding.
  EXPECT_THAT(candidates_of({{DType::F16}, true, false}, matrix(64)),
              ElementsAre(TensorRecipe{DType::F16, true}));
  EXPECT_THAT(candidates_of({{DType::Q4_0}, true, false}, matrix(64, "token_embd.weight")),
              Contains(TensorRecipe{DType::Q4_0, true}));
}

}  // namespace
}  // namespace nibble
