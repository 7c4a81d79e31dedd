#include "exec/foreign_error.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <new>

#include "exec/fixture.h"

namespace dsc {
namespace {

template <class Body>
Error translated(Body body, ErrorCode otherwise = ErrorCode::internal) {
  try {
    body();
  } catch (...) {
    return to_error(std::current_exception(), otherwise);
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorCode::internal, "nothing"};
}

TEST(ForeignError, MemoryThatRanOutIsAResourceWhoeverSaysSo) {
  for (const auto& error : {translated([] { at::empty({std::int64_t{1} << 46}); }), translated([] { throw std::bad_alloc(); }),
                            translated([] { TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate 2 GiB"); }, ErrorCode::unsupported),
                            translated([] { throw std::runtime_error("could not create a memory object: out of memory"); }, ErrorCode::data)}) {
    EXPECT_EQ(error.code(), ErrorCode::resource) << error.what();
    EXPECT_EQ(exit_status(error.code()), 6);
    EXPECT_NE(error.problems().front().hint, "");
  }
}

TEST(ForeignError, OthersAreWhatTheCallerSays) {
  EXPECT_EQ(translated([] { TORCH_CHECK(false, "sizes differ"); }, ErrorCode::data).code(), ErrorCode::data);
  EXPECT_EQ(translated([] { TORCH_CHECK(false, "sizes differ"); }).code(), ErrorCode::internal);
  EXPECT_EQ(translated([] { TORCH_CHECK_NOT_IMPLEMENTED(false, "no kernel"); }, ErrorCode::data).code(), ErrorCode::unsupported);
  EXPECT_EQ(translated([] { (void)std::filesystem::file_size("/no/such/file"); }).code(), ErrorCode::io);
  EXPECT_EQ(translated([] { throw 5; }).code(), ErrorCode::internal);
}

TEST(ForeignError, OursStaysAsItIs) {
  const Error error = translated([] { throw Error(ErrorCode::numeric, "diverged", {.pointer = "/x"}, "lower lr"); }, ErrorCode::data);
  EXPECT_EQ(error.code(), ErrorCode::numeric);
  EXPECT_EQ(error.problems().front().hint, "lower lr");
  EXPECT_EQ(error.problems().front().place.pointer, "/x");
}

TEST(ForeignError, ANodeThatNeedsTooMuchMemoryIsNamed) {
  const Model model = test::model_of("graph {\n  input %x: f32[4]\n  %y: f32[70368744177664] = aten.full.default(size=[70368744177664], fill_value=1.0, dtype=f32)\n  output %y\n}\n");
  Executor executor(model, {});
  const Error error = test::error_of([&] { executor.run({at::zeros({4})}); });
  EXPECT_EQ(error.code(), ErrorCode::resource);
  EXPECT_NE(error.to_text().find("%y"), std::string::npos) << error.to_text();
  EXPECT_NE(error.to_text().find("smaller batch"), std::string::npos) << error.to_text();
}

}  // namespace
}  // namespace dsc
