#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "io/files.h"
#include "io/pickle.h"
#include "io/pt2.h"
#include "io/sample_inputs.h"

namespace dsc {
namespace {

// Numbers as Python's torch.export.load shows them.
TEST(SampleInputs, OfIntegersAreReadExactly) {
  const auto inputs = read_sample_inputs(read_pt2(fixture("regions.pt2")));
  ASSERT_TRUE(inputs);
  ASSERT_EQ(inputs->size(), 1u);
  EXPECT_TRUE(inputs->at(0).equal(at::tensor({4, 5, 1, 7, 7, 4, 1, 6, 4, 1}, at::kLong).view({2, 5})));
}

TEST(SampleInputs, InTuplesAndDictionariesComeInTheOrderOfTheInputs) {
  const auto inputs = read_sample_inputs(read_pt2(fixture("calls.pt2")));
  ASSERT_TRUE(inputs);
  ASSERT_EQ(inputs->size(), 4u);
  const double firsts[] = {-0.3698, -0.6094, -1.6203, -0.7463};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(inputs->at(i).flatten()[0].item<double>(), firsts[i], 1e-4) << i;
  EXPECT_EQ(inputs->at(3).sizes(), at::IntArrayRef({3}));
}

TEST(SampleInputs, OfAnotherCallingConventionAreLeftAlone) {
  auto model = read_pt2(fixture("tiny.pt2"));
  EXPECT_TRUE(read_sample_inputs(model));
  model.graph.add_literal_input("flag", true);
  EXPECT_FALSE(read_sample_inputs(model));
}

TEST(SampleInputs, DamagedOnesAreLeftAlone) {
  auto model = read_pt2(fixture("calls.pt2"));
  const auto whole = model.archive.sample_inputs;
  for (std::size_t size = 0; size < whole.size(); size += 37) {
    model.archive.sample_inputs = whole.substr(0, size);
    EXPECT_FALSE(read_sample_inputs(model)) << size;
  }
}

at::Tensor no_storage(const std::string&) { return at::empty({0}, at::kByte); }

TEST(Pickle, ReadsPlainData) {
  // pickle.dumps((None, True, -3, 2 ** 40, 0.5, [1, "x"], {"k": 300}), protocol=2)
  const std::string bytes("\x80\x02(N\x88J\xfd\xff\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01G?\xe0\x00\x00\x00\x00\x00\x00]q\x00(K\x01X\x01\x00\x00\x00xq\x01"
                          "e}q\x02X\x01\x00\x00\x00kq\x03M,\x01stq\x04.", 61);
  const pickle::Pickle read(bytes, no_storage);
  const auto& items = std::get<pickle::Sequence>(read.root().value).items;
  ASSERT_EQ(items.size(), 7u);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(items[0]->value));
  EXPECT_EQ(std::get<bool>(items[1]->value), true);
  EXPECT_EQ(std::get<std::int64_t>(items[2]->value), -3);
  EXPECT_EQ(std::get<std::int64_t>(items[3]->value), std::int64_t{1} << 40);
  EXPECT_EQ(std::get<double>(items[4]->value), 0.5);
  EXPECT_EQ(std::get<std::string>(std::get<pickle::Sequence>(items[5]->value).items[1]->value), "x");
  EXPECT_EQ(std::get<std::int64_t>(std::get<pickle::Dictionary>(items[6]->value).entries[0].second->value), 300);
}

// Found by scripts/fuzz: LibTorch's reader asked for as many gigabytes as a damaged length said.
TEST(Pickle, KnowsWhenAnArgumentDoesNotEndWithin) {
  const std::string whole("\x80\x02X\x01\x00\x00\x00xq\x01" "cposix\nsystem\nK\x05.", 27);
  EXPECT_TRUE(pickle::lengths_are_right(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(pickle::lengths_are_right(whole.substr(0, size))) << size;
  auto longer = whole;
  longer[6] = '\x7f';
  EXPECT_FALSE(pickle::lengths_are_right(longer));
  EXPECT_FALSE(pickle::lengths_are_right("never a pickle"));
  std::string memo("\x80\x02Nr\x01\x00\x00\x00.", 9);
  EXPECT_TRUE(pickle::lengths_are_right(memo));
  memo[7] = '\x40';  // place 2^30 + 1: as many items before it
  EXPECT_FALSE(pickle::lengths_are_right(memo));
}

// An object of a class, with a tensor of four numbers in it.
std::string module_pickle() {
  const auto text = [](const std::string& t) { return "X" + std::string(1, static_cast<char>(t.size())) + std::string(3, '\0') + t; };
  return "\x80\x02" "c__torch__\nNet\n)\x81}(" + text("weight") + "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") +
         "K\x04tQK" + std::string(1, '\0') + "K\x04\x85K\x01\x85\x89" "ccollections\nOrderedDict\n)RtRub.";
}

// Found by scripts/fuzz: LibTorch compared such a tensor's elements, and there were none.
TEST(Pickle, TensorsOfATorchScriptModuleLieInTheirStorages) {
  const auto of_bytes = [](std::int64_t size) { return [size](const std::string&) { return at::empty({size}, at::kByte); }; };
  EXPECT_TRUE(pickle::lengths_are_right(module_pickle()));
  EXPECT_NO_THROW(pickle::check_tensors(module_pickle(), of_bytes(16)));
  for (const std::int64_t size : {0, 12, 15}) EXPECT_THROW(pickle::check_tensors(module_pickle(), of_bytes(size)), pickle::BeyondStorage) << size;
  EXPECT_THROW(pickle::Pickle(module_pickle(), of_bytes(16)), pickle::Unreadable);  // plain data has no objects
}

TEST(Pickle, CallsNothing) {
  // pickle.dumps of an object whose __reduce__ gives (os.system, ("true",))
  const std::string bytes("\x80\x02" "cposix\nsystem\nX\x04\x00\x00\x00true\x85R.", 28);
  EXPECT_THROW(pickle::Pickle(bytes, no_storage), pickle::Unreadable);
}

}  // namespace
}  // namespace dsc
