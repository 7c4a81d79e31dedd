// Python's lists, tuples and dictionaries, of which nothing is left in the graph.
#pragma once

#include <optional>
#include <string>

#include "io/torchscript_item.h"

namespace dsc::torchscript {

// The results of a TorchScript operator on containers ("aten::append", "aten::__getitem__", ...). None: not one of them.
// errors: unsupported, when an index or key is not known before the model runs; data, when it is out of range.
std::optional<Items> run_on_containers(const std::string& name, const Items& arguments);

// dict(), dict(of another), dict(of pairs). errors: unsupported, for anything else.
Item new_dictionary(const Items& arguments);

}  // namespace dsc::torchscript
