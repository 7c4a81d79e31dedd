#include "core/names.h"

#include <gtest/gtest.h>

#include <string>

namespace dsc {
namespace {

TEST(Glob, StarsStayWithinAComponentOrCrossThem) {
  EXPECT_TRUE(matches_glob("layer1.*", "layer1.0"));
  EXPECT_FALSE(matches_glob("layer1.*", "layer10.0"));
  EXPECT_FALSE(matches_glob("layer1.*", "layer1.0.conv1"));
  EXPECT_TRUE(matches_glob("layer1.**", "layer1.0.conv1"));
  EXPECT_TRUE(matches_glob("**", ""));
  EXPECT_TRUE(matches_glob("**.conv*", "layer1.0.conv1"));
  EXPECT_TRUE(matches_glob("*.*", "a.b"));
  EXPECT_FALSE(matches_glob("*", "a.b"));
  EXPECT_TRUE(matches_glob("conv?", "conv1"));
  EXPECT_FALSE(matches_glob("conv?", "conv"));
  EXPECT_FALSE(matches_glob("a?b", "a.b"));
  EXPECT_TRUE(matches_glob("", ""));
  EXPECT_FALSE(matches_glob("", "a"));
}

TEST(Glob, BracketsAreSetsRangesAndTheirOpposites) {
  for (const char digit : {'0', '1', '2'}) EXPECT_TRUE(matches_glob("layer.[0-2].*", std::string("layer.") + digit + ".fc")) << digit;
  for (const char* other : {"layer.3.fc", "layer.-.fc", "layer.10.fc"}) EXPECT_FALSE(matches_glob("layer.[0-2].*", other)) << other;
  EXPECT_TRUE(matches_glob("[ac-e]", "d"));
  EXPECT_FALSE(matches_glob("[ac-e]", "b"));
  EXPECT_TRUE(matches_glob("[a-]", "-")) << "a dash at the end is itself";
  EXPECT_TRUE(matches_glob("[-a]", "-"));
  EXPECT_TRUE(matches_glob("[!0-2]", "3"));
  EXPECT_TRUE(matches_glob("[^0-2]", "3"));
  EXPECT_FALSE(matches_glob("[!0-2]", "1"));
  EXPECT_FALSE(matches_glob("a[!b]c", "a.c")) << "only ** crosses components";
  EXPECT_TRUE(matches_glob("[]a]", "]"));
  EXPECT_TRUE(matches_glob("a[b", "a[b")) << "a bracket that never closes is itself";
}

// Takes centuries where every star is tried at every place.
TEST(Glob, ManyStarsDoNotMultiply) {
  std::string glob, name(2000, 'a');
  for (int i = 0; i < 60; ++i) glob += "**a";
  EXPECT_FALSE(matches_glob(glob + "b", name));
  EXPECT_TRUE(matches_glob(glob, name));
}

}  // namespace
}  // namespace dsc
