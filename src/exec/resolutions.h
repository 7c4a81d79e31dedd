// A network for pictures that looks at smaller ones first: where those scores are sure, it looks no closer.
//
//   picture -> resized to 32 x 32 -> the network -> scores; not sure: -> resized to 48 x 48 -> the network -> ...
//
// The graph is that of the pictures' own size. At which others it runs, and what lets an example stop, lies beside it in the archive
// (resolutions.json). Deployed, each resolution is a network of one fixed size, the resizing its first operator, and all are a chain
// (exit_chain.h). Source: Yang et al. 2020, arXiv:2003.07326, for the order of sizes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dscompress/fields.h"
#include "dscompress/model.h"
#include "ops/exit_stages.h"

namespace dsc {

struct PictureSize {
  std::int64_t height = 0, width = 0;
  bool operator==(const PictureSize&) const = default;
};
std::string to_string(const PictureSize& size);  // "32 x 32"

struct Resolutions {
  ExitRule rule;
  std::int64_t height = 0, width = 0;  // of the pictures themselves
  std::vector<std::int64_t> sizes;     // heights of smaller ones, the smallest first; widths in proportion
  void fields(FieldVisitor& visit);
  // The pictures' own last.
  std::vector<PictureSize> all() const;
};

// none: a network of one resolution. errors: model_file, for a damaged record.
std::optional<Resolutions> resolutions_of(const Model& model);
void set_resolutions(Model& model, const Resolutions& resolutions);

// The one input, of pictures [N, C, H, W]; null: the model takes something else.
const Value* picture_input(const Graph& graph);
// Of what the model takes; 0: open.
PictureSize fixed_size(const Value& pictures);

// The network that makes pictures of `given` size into those of `wanted` and scores them; both sizes are fixed in it, and tensors are shared.
// Literal sizes of reshapes, which an export of one size leaves, become those of the new one where only one reading of them is possible.
// precondition: picture_input(model.graph). errors: unsupported, for a network that runs at its own size alone, naming where.
Model at_resolution(const Model& model, const PictureSize& given, const PictureSize& wanted);

// precondition: resolutions_of(model) has a value. errors: unsupported, also for a model that was exported for a number of examples.
ExitStages resolution_stages(const Model& model);

}  // namespace dsc
