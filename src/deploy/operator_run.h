// How a node's operator is run so that its calls of others can be seen.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>

#include <functional>
#include <optional>
#include <vector>

#include "dscompress/graph.h"

namespace dsc {

using Stack = std::vector<c10::IValue>;
using OperatorRun = std::function<void(Stack&)>;  // from arguments to results

std::optional<c10::OperatorHandle> find_operator(const Node& node);  // none: LibTorch does not know it

// Its decomposition (decompositions.h), LibTorch's composite kernel, or the operator in another form; none: it has no parts.
OperatorRun find_run(const Node& node, const c10::OperatorHandle& op);

}  // namespace dsc
