#include "eval/found_boxes.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>

#include <optional>
#include <string>

#include "dscompress/error.h"
#include "ir/describe.h"

namespace dsc {
namespace {

struct Parts {
  std::optional<at::Tensor> boxes, scores, labels;
};

[[noreturn]] void fail(const std::vector<at::Tensor>& outputs) {
  std::string shapes;
  for (const auto& output : outputs) shapes += (shapes.empty() ? "" : ", ") + describe_sizes(output);
  throw Error(ErrorCode::data,
              "detection needs boxes [N, D, 4] and scores [N, D] with labels [N, D], or scores of classes [N, D, C]; the model gives " + shapes, {},
              "export the model with those outputs alone: --outputs boxes,scores,labels");
}

// The later one of two that could be boxes is.
Parts parts_of(const std::vector<at::Tensor>& outputs) {
  Parts parts;
  for (const auto& output : outputs) {
    const bool is_box = output.dim() == 3 && output.size(2) == 4 && output.is_floating_point();
    if (is_box && parts.boxes && !parts.scores) parts.scores = parts.boxes;  // four classes
    if (is_box)
      parts.boxes = output;
    else if (output.dim() == 3 && output.is_floating_point())
      parts.scores = output;
    else if (output.dim() == 2)
      (output.is_floating_point() ? parts.scores : parts.labels) = output;
  }
  const bool whole = parts.boxes && parts.scores && (parts.scores->dim() == 3) != parts.labels.has_value();
  if (!whole || parts.boxes->size(1) != parts.scores->size(1)) fail(outputs);
  return parts;
}

}  // namespace

at::Tensor found_boxes(const std::vector<at::Tensor>& outputs, const DetectionConfig& form) {
  const Parts parts = parts_of(outputs);
  const at::Tensor boxes = parts.boxes->to(at::kFloat);
  at::Tensor scores = parts.scores->to(at::kFloat);
  if (form.scores == ScoreForm::sigmoid) scores = at::sigmoid(scores);
  if (parts.labels) return at::cat({boxes, scores.unsqueeze(2), parts.labels->to(at::kFloat).unsqueeze(2)}, 2);
  if (form.scores == ScoreForm::softmax) scores = at::softmax(scores, 2).narrow(2, 0, scores.size(2) - 1);
  const std::int64_t examples = scores.size(0), found = scores.size(1), classes = scores.size(2);
  const at::Tensor repeated = boxes.unsqueeze(2).expand({examples, found, classes, 4});
  const at::Tensor numbers = at::arange(classes, scores.options()).view({1, 1, classes}).expand({examples, found, classes});
  return at::cat({repeated, scores.unsqueeze(3), numbers.unsqueeze(3)}, 3).reshape({examples, found * classes, 6});
}

}  // namespace dsc
