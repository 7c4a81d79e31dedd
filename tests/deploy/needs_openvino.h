// Base of tests that run models with OpenVINO: skipped in builds without it.
#pragma once

#include <gtest/gtest.h>

#include "deploy/openvino_engine.h"

namespace dsc::test {

class NeedsOpenVino : public testing::Test {
 protected:
  void SetUp() override {
    if (!openvino_available()) GTEST_SKIP() << "this build has no OpenVINO engine";
  }
};

}  // namespace dsc::test
