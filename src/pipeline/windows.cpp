#include "pipeline/windows.h"

#include <algorithm>

#include "data/match_columns.h"
#include "data/model_inputs.h"
#include "ir/describe.h"

namespace dsc {
namespace {

// What windows cut of a data set's examples: dimensions, counted as in batches, and their sizes.
struct Cut {
  std::vector<std::int64_t> dims;
  std::vector<Dim> sizes;

  Cut(const DatasetInfo& info, const WindowOptions& windows) {
    const TensorType& leading = *std::ranges::max_element(info.inputs, {}, &TensorType::rank);
    dims = windows.dims_of(leading.rank() + 1);
    for (const std::int64_t dim : dims) sizes.push_back(size_of(leading, dim));
  }
  bool cuts(const TensorType& example) const {
    for (std::size_t i = 0; i < dims.size(); ++i) {
      if (dims[i] > example.rank() || size_of(example, dims[i]) != sizes[i]) return false;
    }
    return true;
  }

 private:
  static const Dim& size_of(const TensorType& example, std::int64_t dim) { return example.sizes[static_cast<std::size_t>(dim - 1)]; }
};

// A text's examples have different lengths; all have the same where they are filled up to it.
void check_padding(const DatasetInfo& info, std::vector<Problem>& problems) {
  if (info.longest == 0) return;
  if (info.inputs.front().sizes.front().is_fixed()) {
    problems.push_back({"examples of " + info.description + " are filled up to one length, and a window may hold nothing but padding",
                        {},
                        "set `padding: longest` for the data"});
  } else if (info.fixed_batch > 1) {
    problems.push_back(
        {"the model takes " + std::to_string(info.fixed_batch) + " examples at once, and texts of different lengths are cut one at a time",
         {},
         "export the model with a dynamic batch"});
  }
}

}  // namespace

DatasetInfo in_windows(const DatasetInfo& info, const WindowOptions& windows) {
  const Cut cut(info, windows);
  DatasetInfo seen = info;
  seen.longest = std::min(info.longest, windows.size);
  for (TensorType& example : seen.inputs) {
    if (!cut.cuts(example)) continue;
    for (const std::int64_t dim : cut.dims) {
      auto& size = example.sizes[static_cast<std::size_t>(dim - 1)].size;
      size = std::min(size, windows.size);
    }
  }
  return seen;
}

std::vector<Problem> check_windows(const DatasetInfo& info, const Model& model, const WindowOptions& windows) {
  std::vector<Problem> problems;
  check_padding(info, problems);
  const auto inputs = model_inputs(model.graph);
  const auto columns = match_columns(info, inputs).columns;
  const Cut cut(info, windows);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const TensorType& wanted = inputs[i]->value->tensor();
    const TensorType& example = info.inputs[columns[i]];
    if (!cut.cuts(example) || wanted.rank() != example.rank() + 1) continue;
    for (const std::int64_t dim : cut.dims) {
      const Dim& size = wanted.sizes[static_cast<std::size_t>(dim)];
      if (!size.is_fixed() || size.size == windows.size) continue;
      problems.push_back({"windows have " + std::to_string(windows.size) + " positions of dimension " + std::to_string(dim) +
                              ", and the model's input `" + inputs[i]->target + "` takes " + describe_type(inputs[i]->value->type()),
                          {.file = {}, .pointer = "/size"},
                          "write size: " + std::to_string(size.size) + ", or export the model with this dimension dynamic"});
    }
  }
  return problems;
}

std::string describe_windows(const DatasetInfo& info, const WindowOptions& windows) {
  const Cut cut(info, windows);
  std::int64_t count = 1;
  std::string sizes;
  for (const Dim& size : cut.sizes) {
    count *= static_cast<std::int64_t>(window_spans(size.size, windows.size, windows.overlap).size());
    sizes += (sizes.empty() ? "" : " x ") + std::to_string(size.size);
  }
  const std::string longest = cut.sizes.front().is_fixed() ? "examples of " : "the longest example of ";
  return longest + sizes + " positions " + (cut.sizes.front().is_fixed() ? "are" : "is") + " evaluated in " +
         (count == 1 ? "one window" : std::to_string(count) + " windows of " + std::to_string(windows.size));
}

}  // namespace dsc
