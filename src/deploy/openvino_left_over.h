// What OpenVINO's PyTorch frontend could not convert. Included by deploy/openvino_*.cpp only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "deploy/decompose.h"
#include "dscompress/graph.h"

namespace ov {
class Model;
namespace frontend {
class FrontEnd;
}
}  // namespace ov

namespace dsc {

struct LeftOver {
  std::string name, reason;  // of the graph's node, or of OpenVINO's where no node of the graph is found
};

// The frontend leaves what it cannot convert as framework nodes.
std::vector<LeftOver> find_left_over(const ov::Model& converted, const Graph& graph);
// Puts together what the frontend takes several operators for.
std::vector<LeftOver> normalize(const ov::frontend::FrontEnd& frontend, const std::shared_ptr<ov::Model>& converted, const Graph& graph);
[[noreturn]] void refuse(const std::vector<LeftOver>& left, const Graph& graph);  // errors: unsupported, naming all
// Replaces what is left by the operators that it consists of. errors: unsupported, naming all that cannot be.
void write_out(Decomposer& decomposer, Graph& graph, const std::vector<LeftOver>& left);

}  // namespace dsc
