// In a build without OpenVINO the engine refuses to be made, and all other tests of this program are skipped.
#include <gtest/gtest.h>

#include "deploy/openvino_engine.h"
#include "dscompress/error.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

TEST(OpenVinoBuild, SaysWhetherOpenVinoIsThere) {
  if (openvino_available()) {
    EXPECT_FALSE(openvino_version().empty());
    EXPECT_FALSE(openvino_devices().empty());
    return;
  }
  try {
    make_openvino_engine(test::tiny_mlp());
    FAIL() << "an engine without OpenVINO";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_NE(error.to_text().find("DSCOMPRESS_OPENVINO"), std::string::npos);
  }
}

}  // namespace
}  // namespace dsc
