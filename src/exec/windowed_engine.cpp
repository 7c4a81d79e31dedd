#include "exec/windowed_engine.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <array>
#include <set>

#include "dscompress/error.h"
#include "ir/describe.h"

namespace dsc {
namespace {

using Window = std::vector<WindowSpan>;  // one a dimension

std::vector<Window> products_of(const std::vector<std::vector<WindowSpan>>& spans) {
  std::vector<Window> windows{{}};
  for (const auto& of_dim : spans) {
    std::vector<Window> longer;
    for (const Window& window : windows) {
      for (const WindowSpan& span : of_dim) {
        longer.push_back(window);
        longer.back().push_back(span);
      }
    }
    windows = std::move(longer);
  }
  return windows;
}

bool has_sizes(const at::Tensor& tensor, const std::vector<std::int64_t>& dims, const std::vector<std::int64_t>& sizes) {
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] >= tensor.dim() || tensor.size(dims[i]) != sizes[i]) return false;
  }
  return true;
}

at::Tensor part_of(at::Tensor input, const Window& window, const std::vector<std::int64_t>& dims) {
  for (std::size_t i = 0; i < dims.size(); ++i) input = input.narrow(dims[i], window[i].begin, window[i].end - window[i].begin);
  return input.contiguous();
}

// One output over all windows.
class Merged {
 public:
  void add(const at::Tensor& output, const Window& window, const std::vector<std::int64_t>& dims, const std::vector<std::int64_t>& sizes,
           WindowMerge merge) {
    std::vector<std::int64_t> covered;
    for (const WindowSpan& span : window) covered.push_back(span.end - span.begin);
    if (has_sizes(output, dims, covered)) return add_positions(output, window, dims, sizes, merge);
    if (merge == WindowMerge::centre)
      throw Error(ErrorCode::data, "an output of shape " + describe_sizes(output) + " has no place for each position of a window", {},
                  "evaluate.windows.merge: mean takes the mean over windows");
    sum_ = sum_.defined() ? sum_ + output : output.clone();
    windows_ += 1;
  }
  at::Tensor take() const { return count_.defined() ? sum_ / count_ : windows_ > 0 ? sum_ / windows_ : sum_; }

 private:
  void add_positions(const at::Tensor& output, const Window& window, const std::vector<std::int64_t>& dims, const std::vector<std::int64_t>& sizes,
                     WindowMerge merge) {
    const bool is_mean = merge == WindowMerge::mean;
    if (!sum_.defined()) {
      auto whole = output.sizes().vec();
      std::vector<std::int64_t> counted(whole.size(), 1);
      for (std::size_t i = 0; i < dims.size(); ++i) whole[static_cast<std::size_t>(dims[i])] = counted[static_cast<std::size_t>(dims[i])] = sizes[i];
      sum_ = at::zeros(whole, output.options());
      if (is_mean) count_ = at::zeros(counted, output.options());
    }
    at::Tensor place = sum_, count = count_, part = output;
    for (std::size_t i = 0; i < dims.size(); ++i) {
      const WindowSpan& span = window[i];
      const std::int64_t begin = is_mean ? span.begin : span.kept_begin, length = (is_mean ? span.end : span.kept_end) - begin;
      place = place.narrow(dims[i], begin, length);
      part = part.narrow(dims[i], begin - span.begin, length);
      if (is_mean) count = count.narrow(dims[i], begin, length);
    }
    if (!is_mean) {
      place.copy_(part);
      return;
    }
    place.add_(part);
    count.add_(1);
  }

  at::Tensor sum_, count_;
  std::int64_t windows_ = 0;
};

}  // namespace

std::span<const std::string_view> enum_names(WindowMerge) {
  static constexpr std::array<std::string_view, 2> kNames{"centre", "mean"};
  return kNames;
}

void WindowOptions::fields(FieldVisitor& visit) {
  visit("size", size, {.text = "Of a window, in each dimension.", .unit = "steps, pixels, tokens", .minimum = 1, .required = true});
  visit("overlap", overlap, {.text = "What neighbouring windows share.", .unit = "steps, pixels, tokens", .minimum = 0});
  visit("merge", merge,
        {.text = "Where windows overlap: centre, what the window says that a position is nearer the middle of; or the mean. Outputs without "
                 "positions, such "
                 "as scores of classes, need the mean."});
  visit("dims", dims,
        {.text = "Dimensions that are cut; empty: steps of [N, C, T], rows and columns of [N, C, H, W], tokens of [N, T].", .minimum = 1});
  visit.check(overlap >= size ? "overlap must be below size, or windows would not move" : "");
  visit.check(std::set(dims.begin(), dims.end()).size() < dims.size() ? "dims names a dimension twice" : "");
}

std::vector<std::int64_t> WindowOptions::dims_of(std::int64_t input_rank) const {
  const std::string found = "windows of an input of " + std::to_string(input_rank) + " dimensions";
  for (const std::int64_t dim : dims) {
    if (dim >= input_rank)
      throw Error(ErrorCode::data, found + " cannot cut dimension " + std::to_string(dim), {}, "dims count from 0, the examples of a batch");
  }
  if (!dims.empty()) return dims;
  if (input_rank == 2) return {1};
  if (input_rank == 3) return {2};
  if (input_rank == 4) return {2, 3};
  throw Error(ErrorCode::data, found + " are not known", {}, "name the dimensions that are cut: dims");
}

std::vector<WindowSpan> window_spans(std::int64_t positions, std::int64_t size, std::int64_t overlap) {
  std::vector<WindowSpan> spans{{0, std::min(size, positions), 0, positions}};
  while (spans.back().end < positions) {
    WindowSpan& last = spans.back();
    const std::int64_t end = std::min(last.end + size - overlap, positions), begin = end - size;
    last.kept_end = (begin + last.end) / 2;
    spans.push_back({begin, end, last.kept_end, positions});
  }
  return spans;
}

std::string WindowedEngine::name() const { return inner_.name() + " in windows of " + std::to_string(options_.size); }

std::vector<at::Tensor> WindowedEngine::run(const std::vector<at::Tensor>& inputs) {
  if (inputs.empty()) return inner_.run(inputs);
  const at::Tensor& leading = *std::ranges::max_element(inputs, {}, &at::Tensor::dim);
  const auto dims = options_.dims_of(leading.dim());
  std::vector<std::int64_t> sizes;
  std::vector<std::vector<WindowSpan>> spans;
  for (const std::int64_t dim : dims) {
    sizes.push_back(leading.size(dim));
    spans.push_back(window_spans(sizes.back(), options_.size, options_.overlap));
  }
  const auto windows = products_of(spans);
  if (windows.size() == 1) return inner_.run(inputs);
  std::vector<Merged> merged;
  for (const Window& window : windows) {
    std::vector<at::Tensor> cut;
    for (const at::Tensor& input : inputs) cut.push_back(has_sizes(input, dims, sizes) ? part_of(input, window, dims) : input);
    const auto outputs = inner_.run(cut);
    merged.resize(outputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) merged[i].add(outputs[i], window, dims, sizes, options_.merge);
  }
  std::vector<at::Tensor> whole;
  for (const Merged& output : merged) whole.push_back(output.take());
  return whole;
}

}  // namespace dsc
