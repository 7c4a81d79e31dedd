// What a checkpoint brings back.
#include "pipeline/checkpoint.h"

#include <gtest/gtest.h>

#include "support/program.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

TEST(Checkpoint, BringsBackWhatLiesBesideTheProgram) {
  const test::TempFolder folder;
  const CheckpointPaths paths(folder.path());
  Model model = test::tiny_mlp();
  model.archive.extra_files = {{"exits.json", R"({"threshold": 0.9})"}, {"bytes", std::string("\xff\0\x80", 3)}, {"nothing", ""}};
  write_checkpoint(paths.step, RunState(), model, {});
  Model read = test::tiny_mlp();
  read.archive.extra_files = {{"of the recipe's model", "gone since"}};
  ResumePoint resume;
  read_checkpoints(paths, read, resume, {});
  EXPECT_EQ(read.archive.extra_files, model.archive.extra_files);
}

}  // namespace
}  // namespace dsc
