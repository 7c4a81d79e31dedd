// Full and read-only disks, for real: small file systems mounted in a mount namespace of the program's own.
#include <gtest/gtest.h>

#include "support/tiny_run.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;

// Runs the program with a file system of `options` mounted at `at`; afterwards what lies there is listed in "left".
ProgramResult run_on_disk(const TinyRun& run, const std::string& at, const std::string& options, const std::string& arguments) {
  fs::create_directories(at);
  spit(run.file("on_disk.sh"), "mount -t tmpfs -o " + options + " tmpfs " + at + " || exit 99\n" DSC_BINARY_DIR "/bin/dscompress " + arguments +
                                   "\nstatus=$?\nfind " + at + " -mindepth 1 -type f >" + run.file("left") + "\nexit $status\n");
  return run_shell("unshare -rm sh " + run.file("on_disk.sh"));
}

bool can_mount() {
  const TempFolder folder;
  return run_shell("unshare -rm mount -t tmpfs -o size=64k tmpfs " + folder.path()).status == 0;
}

TEST(Disk, FullWhileExportingExitsWithSixAndLeavesNothing) {
  if (!can_mount()) GTEST_SKIP() << "mount namespaces are not allowed here";
  const TinyRun run;
  for (const auto* name : {"copy.pt2", "copy.safetensors", "copy.xml"}) {
    const auto result = run_on_disk(run, run.file("disk"), "size=8k", "-q export " + run.file("model.pt2") + " --to " + run.file("disk/") + name);
    EXPECT_EQ(result.status, 6) << name << ": " << result.err;
    EXPECT_TRUE(contains(result.err, "No space left")) << result.err;
    EXPECT_EQ(slurp(run.file("left")), "") << name;
  }
}

TEST(Disk, FullDuringARunExitsWithSixAndHalfWritesNothing) {
  if (!can_mount()) GTEST_SKIP() << "mount namespaces are not allowed here";
  const TinyRun run;
  for (const auto* size : {"64k", "160k", "256k"}) {  // at the start, between steps, at a later one
    const auto result = run_on_disk(run, run.file("disk"), std::string("size=") + size, "-q run " + run.file("recipe.yaml") + " --output-dir " + run.file("disk/out"));
    EXPECT_EQ(result.status, 6) << size << ": " << result.err;
    EXPECT_TRUE(contains(result.err, "No space left")) << result.err;
    EXPECT_FALSE(contains(slurp(run.file("left")), ".tmp")) << size;
    EXPECT_FALSE(contains(slurp(run.file("left")), "/out/model.pt2")) << "the result is not there before it is whole";
  }
}

TEST(Disk, ReadOnlyOutputExitsWithThreeBeforeAnyTraining) {
  if (!can_mount()) GTEST_SKIP() << "mount namespaces are not allowed here";
  const TinyRun run;
  const auto result = run_on_disk(run, run.file("disk"), "ro", "run " + run.file("recipe.yaml") + " --output-dir " + run.file("disk/out"));
  EXPECT_EQ(result.status, 3) << result.err;
  EXPECT_TRUE(contains(result.err, "Read-only file system")) << result.err;
  EXPECT_TRUE(contains(result.err, "--output-dir")) << result.err;
  EXPECT_FALSE(contains(result.err, "step 1 of")) << "nothing was trained: " << result.err;
  const auto exported = run_on_disk(run, run.file("disk"), "ro", "-q export " + run.file("model.pt2") + " --to " + run.file("disk/copy.pt2"));
  EXPECT_EQ(exported.status, 3) << exported.err;
}

}  // namespace
}  // namespace dsc::test
