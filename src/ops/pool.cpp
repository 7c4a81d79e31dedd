// Pooling, resizing of pictures, and moving channels to positions and back.
#include "ops/arguments.h"
#include "ops/op_info.h"

namespace dsc {
namespace {

std::int64_t spatial_rank(const Node& node) {
  std::string_view op = plain_op(node);
  std::size_t d = op.find_last_of('d');
  while (d != std::string_view::npos && d > 0 && (op[d - 1] < '1' || op[d - 1] > '3')) d = op.find_last_of('d', d - 1);
  return d == std::string_view::npos || d == 0 ? 2 : op[d - 1] - '0';
}

// The last 1, 2 or 3 dimensions are positions, the others pass.
void tie_pool(Ties& ties, const Node& node) {
  const Value* self = tensor_arguments(node).at(0);
  Axes axes = ties.axes(self);
  std::size_t first = axes.size() - static_cast<std::size_t>(spatial_rank(node));
  for (std::size_t d = first; d < axes.size(); ++d) ties.keep(axes[d], "pooled over, or resized");
  for (const Value* output : node.outputs()) {
    Axes result = axes;
    for (std::size_t d = first; d < axes.size(); ++d) result[d] = ties.kept(ties.dims(output)[d].size, "a position in the picture");
    ties.define(output, std::move(result));
  }
}

// [.., C*r*r, H, W] -> [.., C, H*r, W*r]
void tie_pixel_shuffle(Ties& ties, const Node& node) {
  const Value* self = tensor_arguments(node).at(0);
  Axes axes = ties.axes(self);
  std::int64_t r = int_or(node, "upscale_factor", 1);
  std::size_t c = axes.size() - 3;
  for (std::size_t d = c + 1; d < axes.size(); ++d) {
    ties.keep(axes[d], "a position in the picture");
    axes[d] = ties.kept(axes[d].size * r, "a position in the picture");
  }
  axes[c] = ties.split(axes[c], {axes[c].size / (r * r), r * r}, {false, true})[0];
  ties.define(node.output(), std::move(axes));
}

// [.., C, H*r, W*r] -> [.., C*r*r, H, W]
void tie_pixel_unshuffle(Ties& ties, const Node& node) {
  const Value* self = tensor_arguments(node).at(0);
  Axes axes = ties.axes(self);
  std::int64_t r = int_or(node, "downscale_factor", 1);
  std::size_t c = axes.size() - 3;
  for (std::size_t d = c + 1; d < axes.size(); ++d) {
    ties.keep(axes[d], "a position in the picture");
    axes[d] = ties.kept(axes[d].size / r, "a position in the picture");
  }
  axes[c] = ties.merge({axes[c], ties.kept(r * r, "positions in a block")});
  ties.define(node.output(), std::move(axes));
}

// [N, g*c, ..] as (g, c) -> (c, g)
void tie_channel_shuffle(Ties& ties, const Node& node) {
  const Value* self = tensor_arguments(node).at(0);
  Axes axes = ties.axes(self);
  std::int64_t groups = int_or(node, "groups", 1);
  Axes parts = ties.split(axes[1], {groups, axes[1].size / groups});
  ties.remember(parts[0]);
  axes[1] = ties.merge({parts[1], parts[0]});
  ties.define(node.output(), std::move(axes));
}

void resize_channel_shuffle(Resizer& resizer, Node& node) {
  resizer.graph().set_argument(&node, "groups", resizer.remembered(node, 0));
}

// im2col [N, C, H, W] -> [N, C*kh*kw, L]
void tie_unfold(Ties& ties, const Node& node) {
  const Value* self = tensor_arguments(node).at(0);
  Axes axes = ties.axes(self);
  std::size_t c = axes.size() - 3;
  for (std::size_t d = c + 1; d < axes.size(); ++d) ties.keep(axes[d], "a window slides over it");
  const std::vector<Dim>& to = ties.dims(node.output());
  axes[c] = ties.merge({axes[c], ties.kept(axes[c].size > 0 ? to[c].size / axes[c].size : 0, "positions in a window")});
  axes.resize(c + 1);
  axes.push_back(ties.kept(to[c + 1].size, "windows"));
  ties.define(node.output(), std::move(axes));
}

// col2im [N, C*kh*kw, L] -> [N, C, H, W]
void tie_fold(Ties& ties, const Node& node) {
  Axes axes = ties.axes(tensor_arguments(node).at(0));
  const std::vector<Dim>& to = ties.dims(node.output());
  std::size_t c = to.size() - 3;
  ties.keep(axes[c + 1], "windows");
  std::int64_t channels = to[c].size;
  axes[c] = ties.split(axes[c], {channels, axes[c].size / channels}, {false, true})[0];
  axes.resize(c + 1);
  for (std::size_t d = c + 1; d < to.size(); ++d) axes.push_back(ties.kept(to[d].size, "a position in the picture"));
  ties.define(node.output(), std::move(axes));
}

constexpr OpInfo kPoolOps[] = {
    {"aten.max_pool1d", tie_pool, nullptr, nullptr, kMovesHomogeneously},
    {"aten.max_pool2d", tie_pool, nullptr, nullptr, kMovesHomogeneously},
    {"aten.max_pool3d", tie_pool, nullptr, nullptr, kMovesElements},
    {"aten.max_pool2d_with_indices", tie_pool},
    {"aten.avg_pool1d", tie_pool, nullptr, nullptr, kHomogeneous},
    {"aten.avg_pool2d", tie_pool, nullptr, nullptr, kHomogeneous},
    {"aten.avg_pool3d", tie_pool},
    {"aten.lp_pool2d", tie_pool},
    {"aten.adaptive_avg_pool1d", tie_pool, nullptr, nullptr, kHomogeneous},
    {"aten.adaptive_avg_pool2d", tie_pool, nullptr, nullptr, kHomogeneous},
    {"aten._adaptive_avg_pool2d", tie_pool},
    {"aten.adaptive_avg_pool3d", tie_pool},
    {"aten.adaptive_max_pool1d", tie_pool},
    {"aten.adaptive_max_pool2d", tie_pool},
    {"aten.upsample_nearest1d", tie_pool, nullptr, nullptr, kMovesHomogeneously},
    {"aten.upsample_nearest2d", tie_pool, nullptr, nullptr, kMovesHomogeneously},
    {"aten.upsample_nearest3d", tie_pool, nullptr, nullptr, kMovesHomogeneously},
    {"aten._upsample_nearest_exact2d", tie_pool, nullptr, nullptr, kMovesHomogeneously},
    {"aten.upsample_linear1d", tie_pool},
    {"aten.upsample_bilinear2d", tie_pool},
    {"aten._upsample_bilinear2d_aa", tie_pool},
    {"aten.upsample_bicubic2d", tie_pool},
    {"aten._upsample_bicubic2d_aa", tie_pool},
    {"aten.upsample_trilinear3d", tie_pool},
    {"aten.pixel_shuffle", tie_pixel_shuffle, nullptr, nullptr, kMovesElements},
    {"aten.pixel_unshuffle", tie_pixel_unshuffle, nullptr, nullptr, kMovesElements},
    {"aten.channel_shuffle", tie_channel_shuffle, resize_channel_shuffle, nullptr, kMovesElements},
    {"aten.im2col", tie_unfold},
    {"aten.col2im", tie_fold},
};

}  // namespace

std::span<const OpInfo> pool_ops() { return kPoolOps; }

}  // namespace dsc
