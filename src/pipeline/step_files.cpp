#include "pipeline/step_files.h"

#include "pipeline/option_walker.h"

namespace dsc {
namespace {

// Collects the paths that are set.
class PathCollector final : public OptionWalker {
 public:
  std::vector<std::string> paths;

  void path(FilePath& value) override {
    if (!value.empty()) paths.push_back(value.path);
  }
};

}  // namespace

std::vector<std::string> files_of(const PassStep& step) {
  PathCollector collector;
  step.info->fields(step.options.get(), collector);
  return collector.paths;
}

}  // namespace dsc
