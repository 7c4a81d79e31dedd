#include "parallel/batch_rows.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <string>

namespace dsc {
namespace {

// Parts of different sizes travel padded to the largest one, as bytes: no type is unknown to a transport then.
at::Tensor exchange_rows(Ranks& ranks, const at::Tensor& own, std::int64_t examples, std::int64_t rows_of_example) {
  const std::int64_t largest = (examples + ranks.size() - 1) / ranks.size() * rows_of_example;
  at::Tensor padded = own.detach().to(at::kCPU).contiguous();
  if (padded.size(0) < largest) {
    auto sizes = padded.sizes().vec();
    sizes[0] = largest - padded.size(0);
    padded = at::cat({padded, at::zeros(sizes, padded.options())});
  }
  std::vector<at::Tensor> parts;
  for (const at::Tensor& part : ranks.all_of(padded.reshape({-1}).view(at::kByte))) parts.push_back(part.view(own.scalar_type()).view(padded.sizes()));
  for (std::size_t rank = 0; rank < parts.size(); ++rank) {
    const auto r = static_cast<std::int64_t>(rank);
    parts[rank] = parts[rank].narrow(0, 0, (examples * (r + 1) / ranks.size() - examples * r / ranks.size()) * rows_of_example);
  }
  return at::cat(parts).to(own.device());
}

class Gather : public torch::autograd::Function<Gather> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& own, Ranks* ranks, std::int64_t examples,
                            std::int64_t rows_of_example) {
    const Part part = part_of(*ranks, examples);
    context->saved_data["begin"] = part.begin * rows_of_example;
    context->saved_data["rows"] = own.size(0);
    return exchange_rows(*ranks, own, examples, rows_of_example);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    const at::Tensor own = gradients.at(0).narrow(0, context->saved_data.at("begin").toInt(), context->saved_data.at("rows").toInt());
    return {own, {}, {}, {}};
  }
};

}  // namespace

std::vector<at::Tensor> BatchRows::take(const std::vector<at::Tensor>& tensors) const {
  if (ranks_.is_alone()) return tensors;
  std::vector<at::Tensor> own;
  for (const auto& tensor : tensors) own.push_back(tensor.narrow(0, own_.begin, own_.size));
  return own;
}

at::Tensor BatchRows::gather(const at::Tensor& own) const {
  if (ranks_.is_alone()) return own;
  if (own.dim() == 0 || own.size(0) % own_.size != 0 || own.size(0) == 0) {
    throw Error(ErrorCode::data, "a tensor with " + std::to_string(own.dim() == 0 ? 0 : own.size(0)) + " rows for " + std::to_string(own_.size) + " examples has no row for each of them", {},
                "train in one process: leave out --processes");
  }
  return Gather::apply(own, &ranks_, examples_, own.size(0) / own_.size);
}

std::vector<at::Tensor> BatchRows::gather(const std::vector<at::Tensor>& own) const {
  std::vector<at::Tensor> whole;
  for (const auto& tensor : own) whole.push_back(gather(tensor));
  return whole;
}

}  // namespace dsc
