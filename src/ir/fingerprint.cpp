#include "ir/fingerprint.h"

#include "core/hash.h"
#include "ir/text.h"

namespace dsc {

std::string fingerprint_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().contiguous();
  return fingerprint({static_cast<const char*>(flat.const_data_ptr()), static_cast<std::size_t>(flat.nbytes())});
}

std::string fingerprint_of(const Model& model) {
  std::string text = print_graph(model.graph, {.metadata = false});
  for (const auto& name : model.weights.names()) text += name + " " + fingerprint_of(model.weights.get(name)) + "\n";
  return fingerprint(text);
}

}  // namespace dsc
