#include "pipeline/reproducer.h"

#include "core/file.h"
#include "io/pt2.h"
#include "ir/text.h"
#include "pipeline/prepare.h"
#include "pipeline/version.h"

namespace dsc {

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

}  // namespace dsc
