#include "data/move_batch.h"

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace dsc {

Batch move_batch(Batch batch, const std::string& name) {
  if (name == "cpu") return batch;
  const c10::Device device(name);
  for (auto& input : batch.inputs) input = input.to(device, /*non_blocking=*/true);
  for (auto& other : batch.others) other = other.to(device, /*non_blocking=*/true);
  if (batch.target.defined()) batch.target = batch.target.to(device, /*non_blocking=*/true);
  for (LabelColumn& label : batch.labels) label.target = label.target.to(device, /*non_blocking=*/true);
  return batch;
}

}  // namespace dsc
