#include "deploy/added_constant.h"

#include <string>
#include <utility>

#include "exec/convert.h"

namespace dsc {

Value* add_constant(Model& model, std::string_view wish, at::Tensor tensor) {
  TensorType type{.dtype = from_c10(tensor.scalar_type())};
  for (const auto size : tensor.sizes()) type.sizes.push_back({size, ""});
  const std::string name = model.graph.unique_name(std::string(wish) + "_constant"), target = "constant " + name;  // no weight has a space
  model.weights.set(target, std::move(tensor));
  return model.graph.add_input(InputKind::constant, name, target, std::move(type));
}

}  // namespace dsc
