// Rewrites the archives that scripts/zoo_roundtrip.py names, so that it can compare them in Python.
#include <gtest/gtest.h>

#include <cstdlib>

#include "io/pt2.h"

namespace dsc {
namespace {

TEST(RoundTrip, RewritesTheArchiveNamedInTheEnvironment) {
  const char* from = std::getenv("DSCOMPRESS_ROUNDTRIP_FROM");
  const char* to = std::getenv("DSCOMPRESS_ROUNDTRIP_TO");
  if (!from || !to) GTEST_SKIP() << "DSCOMPRESS_ROUNDTRIP_FROM and DSCOMPRESS_ROUNDTRIP_TO are not set";
  write_pt2(read_pt2(from), to);
}

}  // namespace
}  // namespace dsc
