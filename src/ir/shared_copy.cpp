#include "ir/shared_copy.h"

#include <utility>

namespace dsc {

Model shared_copy(const Model& model) {
  return {.graph = std::move(*model.graph.clone()), .weights = model.weights, .archive = model.archive, .source = model.source};
}

}  // namespace dsc
