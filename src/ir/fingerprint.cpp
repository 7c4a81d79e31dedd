#include "ir/fingerprint.h"

#include <ATen/core/Tensor.h>

#include "core/hash.h"
#include "ir/text.h"

namespace dsc {

std::string fingerprint_of(const Model& model) {
  std::string text = print_graph(model.graph, {.metadata = false});
  for (const auto& name : model.weights.names()) {
    const at::Tensor tensor = model.weights.get(name).detach().contiguous();
    text += name + " " + fingerprint({static_cast<const char*>(tensor.const_data_ptr()), static_cast<std::size_t>(tensor.nbytes())}) + "\n";
  }
  return fingerprint(text);
}

}  // namespace dsc
