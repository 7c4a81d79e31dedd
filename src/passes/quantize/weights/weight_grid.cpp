#include "passes/quantize/weights/weight_grid.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "exec/kernels/fake_quant_kernels.h"
#include "ops/pair_sums.h"

namespace dsc::quantize {
namespace {

constexpr int kGridShares = 64;  // candidate ranges, down to kSmallestGridShare of the full one
constexpr double kSmallestGridShare = 0.3;
constexpr std::int64_t kElementsAtOnce = 16384;

std::vector<std::int64_t> all_but(std::int64_t axis, std::int64_t rank) {
  std::vector<std::int64_t> dims;
  for (std::int64_t dim = 0; dim < rank; ++dim) {
    if (dim != axis) dims.push_back(dim);
  }
  return dims;
}

// How far a grid without zero points can reach, in units of what its largest integer stands for. With one more integer below zero it is half
// a step further on both sides, a hair more, so that the lowest value goes down to that integer however products are rounded.
double reach_of(QuantRange range, bool symmetric) {
  if (!symmetric || range.minimum >= 0 || range.minimum == -range.maximum) return 1;
  return static_cast<double>(range.maximum - range.minimum) / (2 * static_cast<double>(range.maximum)) * (1 + 5e-7);
}

// Of one grid, the shares of the values' range to choose from: the range itself, or also smaller ones. Where integers reach further than the
// largest, steps that are longer for the largest value to be exact pay in short groups.
std::vector<double> shares_of(const WeightOptions& options, double reach) {
  std::vector<double> shares = {1};
  if (reach > 1) shares.push_back(reach);
  for (int i = 1; i < kGridShares && options.observer != WeightObserver::minmax; ++i)
    shares.push_back(1 - (1 - kSmallestGridShare) * i / kGridShares);
  return shares;
}

// The smallest and the largest value of each slice, [slices, 2]; of all values where there is one grid, [1, 2].
at::Tensor extremes_of(const at::Tensor& rows, const WeightGrid& grid) {
  const at::Tensor slices = grid.axis ? rows.movedim(*grid.axis, 0).flatten(1) : rows.reshape({1, -1});
  return at::stack({slices.amin(1), slices.amax(1)}, 1);
}

// Each slice's grid as if its values reached from `share` of its smallest to `share` of its largest.
void set_grids(WeightGrid& grid, const at::Tensor& extremes, double share, bool symmetric) {
  if (grid.axis) {
    const ChannelParams params = choose_channel_params(extremes * share, 0, grid.range, symmetric);
    grid.scale = params.scale;
    grid.zero_point = params.zero_point;
    return;
  }
  const QuantParams params = choose_quant_params(extremes[0][0].item<double>() * share, extremes[0][1].item<double>() * share, grid.range, symmetric);
  grid.scale = at::full({}, static_cast<double>(params.scale), at::kFloat);
  grid.zero_point = at::full({}, params.zero_point, at::kInt);
}

// The squared error of each slice, where slices are rows, in one pass over memory.
at::Tensor error_of_rows(const at::Tensor& rows, const WeightGrid& grid, const at::Tensor& weights) {
  const at::Tensor values = rows.contiguous(), counts = weights.defined() ? weights.contiguous() : weights;
  const std::int64_t slices = values.size(0), length = values.numel() / slices;
  at::Tensor errors = at::empty({slices}, at::kFloat);
  for (std::int64_t i = 0; i < slices; ++i) {
    const float scale = grid.scale.const_data_ptr<float>()[i];
    const std::int64_t zero_point = grid.zero_point.const_data_ptr<std::int32_t>()[i];
    errors.mutable_data_ptr<float>()[i] =
        kernels::grid_error(values.const_data_ptr<float>() + i * length, counts.defined() ? counts.const_data_ptr<float>() + i * length : nullptr,
                            static_cast<std::size_t>(length),
                            {.scale = scale, .inverse = 1 / scale, .low = static_cast<float>(grid.range.minimum - zero_point),
                             .high = static_cast<float>(grid.range.maximum - zero_point)});
  }
  return errors;
}

// The same, of any slices. Each element's error is times its weight, where there are any.
at::Tensor error_of(const at::Tensor& rows, const WeightGrid& grid, const at::Tensor& weights) {
  if (grid.axis == 0) return error_of_rows(rows, grid, weights);
  WeightGrid flat = grid;
  flat.group = 0;  // rows are slices already
  at::Tensor squares = (snap_to_grid(rows, flat) - rows).square();
  if (weights.defined()) squares.mul_(weights);
  return grid.axis ? squares.sum(all_but(*grid.axis, rows.dim())) : squares.sum();
}

void choose_grids_at_once(WeightGrid& best, const at::Tensor& rows, const WeightOptions& options, const at::Tensor& importance) {
  const double reach = reach_of(best.range, options.symmetric);
  const std::vector<double> shares = shares_of(options, reach);
  const at::Tensor extremes = extremes_of(rows, best);
  set_grids(best, extremes, shares.front() / reach, options.symmetric);
  if (shares.size() == 1) return;
  at::Tensor least = error_of(rows, best, importance);
  for (std::size_t i = 1; i < shares.size(); ++i) {
    WeightGrid candidate = best;
    set_grids(candidate, extremes, shares[i] / reach, options.symmetric);
    const at::Tensor error = error_of(rows, candidate, importance), better = error < least;
    best.scale = at::where(better, candidate.scale, best.scale);
    best.zero_point = at::where(better, candidate.zero_point, best.zero_point);
    least = at::where(better, error, least);
  }
}

// importance: none, or what each element's squared error counts. Slices along dimension 0 are taken as many at a time as caches hold.
void choose_grids(WeightGrid& best, const at::Tensor& rows, const WeightOptions& options, const at::Tensor& importance) {
  const std::int64_t slices = rows.size(0), at_once = std::max<std::int64_t>(1, kElementsAtOnce / (rows.numel() / slices));
  if (best.axis != 0 || slices <= at_once) return choose_grids_at_once(best, rows, options, importance);
  best.scale = at::empty({slices}, at::kFloat);
  best.zero_point = at::empty({slices}, at::kInt);
  at::parallel_for(0, (slices + at_once - 1) / at_once, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block) {
      const std::int64_t begin = block * at_once, size = std::min(at_once, slices - begin);
      WeightGrid part = best;
      choose_grids_at_once(part, rows.narrow(0, begin, size), options, importance.defined() ? importance.narrow(0, begin, size) : importance);
      best.scale.narrow(0, begin, size).copy_(part.scale);
      best.zero_point.narrow(0, begin, size).copy_(part.zero_point);
    }
  });
}

// sums: of each channel.
void lengthen_steps(WeightGrid& grid, const at::Tensor& sums) {
  const at::Tensor least = (grid.axis ? sums : sums.max()) / static_cast<double>(grid.range.maximum);
  grid.scale = at::maximum(grid.scale, least);
}

}  // namespace

std::int64_t group_length(std::int64_t row, std::int64_t group_size) {
  std::int64_t length = std::min(row, group_size);
  while (row % length != 0) --length;
  return length;
}

WeightOptions in_seven_bits(WeightOptions options) {
  options.bits = std::min<std::int64_t>(options.bits, 7);
  return options;
}

std::int64_t narrowed_grids(const at::Tensor& weight, const WeightGrid& grid, std::int64_t paired_axis) {
  const std::int64_t channel_axis = grid.axis.value_or(paired_axis == 0 ? 1 : 0);
  const at::Tensor sums = largest_pair_sums(weight, channel_axis, paired_axis);
  const at::Tensor own = weight.detach().to(at::kFloat).movedim(channel_axis, 0).flatten(1).abs().amax(1);
  if (!grid.axis) return sums.max().item<float>() > own.max().item<float>() ? 1 : 0;
  return (sums > own).sum().item<std::int64_t>();
}

WeightGrid choose_weight_grid(const at::Tensor& weight, std::int64_t channel_axis, const WeightOptions& options,
                              std::optional<std::int64_t> paired_axis, const at::Tensor& importance) {
  const bool is_limited = paired_axis && options.bits == 8;  // fewer bits always fit
  if (is_limited && !options.symmetric) return choose_weight_grid(weight, channel_axis, in_seven_bits(options), {}, importance);
  const at::Tensor values = weight.detach().to(at::kFloat).contiguous();
  const bool has_groups = options.group_size > 0 && channel_axis == 0 && values.dim() >= 2;
  // Nothing multiplies the integers of groups, so that they may be as many below zero as there are.
  WeightGrid grid{.range = weight_quant_range(options.bits, options.symmetric && !has_groups)};
  if (has_groups) {
    grid.axis = 0;
    grid.group = group_length(values.numel() / values.size(0), options.group_size);
  } else if (options.per_channel || options.group_size > 0) {
    grid.axis = channel_axis;
  }
  const at::Tensor rows = grid_view(values, grid);
  choose_grids(grid, rows, options, importance.defined() ? grid_view(importance, grid) : importance);
  if (is_limited) lengthen_steps(grid, largest_pair_sums(values, channel_axis, *paired_axis));
  return grid;
}

WeightGrid choose_layer_grid(QuantKind kind, const at::Tensor& weight, std::int64_t channel_axis, const WeightOptions& options,
                             std::optional<std::int64_t> paired_axis, const at::Tensor& importance) {
  if (kind != QuantKind::experts) return choose_weight_grid(weight, channel_axis, options, paired_axis, importance);
  WeightGrid grid = choose_weight_grid(weight.flatten(0, 1), 0, options, {}, importance.defined() ? importance.flatten(0, 1) : importance);
  if (grid.axis && grid.group == 0) grid.group = weight.size(-1);  // two axes have no other form than rows
  return grid;
}

}  // namespace dsc::quantize
