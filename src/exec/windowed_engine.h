// Long inputs in overlapping windows: an engine that runs another on one window after the other and merges what it gives.
//
//   input   |-----------------------|      windows  |---------|
//                                                         |---------|
//                                                              |----------|   the last ends with the input
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/fields.h"
#include "exec/engine.h"

namespace dsc {

// What a position gets that several windows cover: the mean of theirs, or what the window says in whose middle it is nearest. A network
// that looks no further than half the overlap says in the middle of windows what it would say of the whole.
enum class WindowMerge : std::uint8_t { centre, mean };
std::span<const std::string_view> enum_names(WindowMerge);

struct WindowOptions {
  std::int64_t size = 0;
  std::int64_t overlap = 0;
  WindowMerge merge = WindowMerge::centre;
  std::vector<std::int64_t> dims;  // empty: steps of series [N, C, T], rows and columns of pictures [N, C, H, W], tokens [N, T]
  void fields(FieldVisitor& visit);
  // Those of an input of so many dimensions. errors: data, where it has not got them, or where nobody says which.
  std::vector<std::int64_t> dims_of(std::int64_t input_rank) const;
};

class WindowedEngine : public Engine {
 public:
  // Refers to `inner`.
  WindowedEngine(Engine& inner, WindowOptions options) : inner_(inner), options_(std::move(options)) {}

  // What is cut is the first of the inputs with most dimensions, and others of its sizes in those that are cut; the rest is given whole. Outputs
  // with as many positions there as a window are put together; of others, such as scores of classes, the mean is taken. errors: data, for others
  // where the mean is not wanted.
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override;
  std::string name() const override;
  std::vector<LayerReport> layers() const override { return inner_.layers(); }

 private:
  Engine& inner_;
  WindowOptions options_;
};

// A window of a dimension, and the part of it that is kept when middles count.
struct WindowSpan {
  std::int64_t begin = 0, end = 0, kept_begin = 0, kept_end = 0;
};
// Of an input of so many positions; one, where they fit.
std::vector<WindowSpan> window_spans(std::int64_t positions, std::int64_t size, std::int64_t overlap);

}  // namespace dsc
