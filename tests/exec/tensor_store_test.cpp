#include "exec/tensor_store.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "support/program.h"

namespace dsc {
namespace {

TEST(TensorStore, LeavesTensorsWhereTheyAreWithinItsLimit) {
  TensorStore store("/nonexistent/folder", 1000);
  const at::Tensor tensor = at::arange(100, at::kFloat);
  EXPECT_EQ(store.keep(tensor).const_data_ptr(), tensor.const_data_ptr());
}

TEST(TensorStore, GivesTheSameTensorFromAFileBeyondIt) {
  const test::TempFolder folder;
  TensorStore store(folder.path() + "/deep/cache", 0);
  for (const at::Tensor& tensor : {at::arange(12, at::kDouble).view({3, 4}).t(), at::ones({5}, at::kBool), at::rand({2, 3, 4}).to(at::kBFloat16)}) {
    const at::Tensor kept = store.keep(tensor);
    EXPECT_NE(kept.const_data_ptr(), tensor.const_data_ptr());
    EXPECT_TRUE(kept.equal(tensor));
    EXPECT_EQ(kept.strides(), tensor.strides());
    EXPECT_EQ(kept.scalar_type(), tensor.scalar_type());
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path() + "/deep/cache"));  // the file has no name
}

TEST(TensorStore, OutlivesItselfInWhatItGave) {
  const test::TempFolder folder;
  at::Tensor first, second;
  {
    TensorStore store(folder.path(), 0);
    first = store.keep(at::arange(5000));
    second = store.keep(at::arange(5000) * 2);
    store.release(first);
    first = at::Tensor();
  }
  EXPECT_TRUE(second.equal(at::arange(5000) * 2));
  second.add_(1);  // a copy of its own
  EXPECT_TRUE(second.equal(at::arange(5000) * 2 + 1));
}

TEST(TensorStore, CountsWhatIsReleased) {
  const test::TempFolder folder;
  TensorStore store(folder.path(), 400);
  at::Tensor one = at::rand({100}), two = at::rand({100});
  const at::Tensor first = store.keep(one);
  EXPECT_EQ(first.const_data_ptr(), one.const_data_ptr());
  EXPECT_NE(store.keep(two).const_data_ptr(), two.const_data_ptr());
  store.release(first);
  EXPECT_EQ(store.keep(two).const_data_ptr(), two.const_data_ptr());
}

// A view would hold the whole of what it is a part of; a mask that repeats itself is kept as it is.
TEST(TensorStore, KeepsNoMoreThanATensorNeeds) {
  TensorStore store("/nonexistent/folder", 100);
  const at::Tensor part = at::rand({1000}).narrow(0, 10, 20), kept = store.keep(part);
  EXPECT_TRUE(kept.equal(part));
  EXPECT_EQ(kept.storage().nbytes(), 80u);
  const at::Tensor mask = at::ones({5}).expand({1000, 5});
  EXPECT_EQ(store.keep(mask).strides(), mask.strides());
}

}  // namespace
}  // namespace dsc
