#include "pipeline/reproducer.h"

#include "core/build_fingerprint.h"
#include "core/file.h"
#include "core/log.h"
#include "exec/foreign_error.h"
#include "io/pt2.h"
#include "ir/text.h"
#include "pipeline/prepare.h"
#include "pipeline/version.h"

namespace dsc {
namespace {

// returns: its folder.
std::string write_reproducer(const std::string& folder, const Model& before, const Recipe& recipe, std::size_t index, const Error& error) {
  const std::string own = folder + "/reproducer";
  const std::string& step = recipe.passes.steps.at(index).name;
  make_folders(own);
  write_pt2(before, own + "/model.pt2");
  write_file_atomically(own + "/graph.txt", print_graph(before.graph));
  const std::string what = " " + own + "/model.pt2 --recipe " + folder + "/recipe.resolved.yaml --step " + step;
  write_file_atomically(own + "/README.md", "# Step " + step + " fails\n\n```\n" + error.to_text() + "\n```\n\nModel as the step found it: `model.pt2`; its graph: `graph.txt`. Seed of the step: " +
                                                std::to_string(step_seed(recipe, index)) + ". dscompress " + std::string(version()) + ", build " + build_fingerprint() +
                                                ".\n\n```sh\ndscompress opt" + what + "\ndscompress reduce" + what + " --to small.pt2\n```\n");
  return own;
}

}  // namespace

void leave_reproducer(const std::string& folder, const Recipe& recipe, std::size_t index, const Error& error, const Fingerprints& fingerprints) {
  if (error.code() == ErrorCode::cancelled || error.code() == ErrorCode::resource || error.code() == ErrorCode::io) return;
  try {
    Model before;
    ResumePoint unused;
    read_checkpoints(CheckpointPaths(folder), before, unused, fingerprints);
    log_info("to run this step alone: " + write_reproducer(folder, before, recipe, index, error) + "/README.md");
  } catch (const std::exception&) {
    log_warning("no reproducer was written: " + to_error(std::current_exception()).to_text());
  }
}

}  // namespace dsc
