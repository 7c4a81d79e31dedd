// Writes recorded calls into a graph, in place of one node.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "deploy/lanes.h"
#include "deploy/recorded_calls.h"
#include "dscompress/model.h"

namespace dsc {

// One thing, as it is in each lane.
using InLanes = std::vector<const c10::IValue*>;

class CallWriter {
 public:
  CallWriter(Model& model, Node* replaced, const Lanes& lanes);
  ~CallWriter();  // takes back what was written unless `finish` was reached

  void bind(const InLanes& tensor_or_size, Value* value);
  // errors: unsupported, when it cannot be written for any size.
  void add(const std::vector<const RecordedCall*>& call);
  Value* value(const InLanes& tensor);
  // What read the replaced node's results reads these, which take over their names (null: nothing did); the node goes.
  // returns: the nodes that were written.
  std::vector<Node*> finish(const std::vector<Value*>& results);

 private:
  using Sizes = std::vector<std::int64_t>;
  struct Source {
    Sizes sizes;
    Value* value;
    std::int64_t dim;  // of a tensor; -1: the value is a size itself
  };

  Argument argument(const InLanes& value, const c10::Type& type);
  Argument plain_argument(const InLanes& value, const c10::Type& type);
  Argument list_argument(const InLanes& value, const c10::Type& element);
  std::vector<NamedArgument> arguments(const std::vector<const RecordedCall*>& call);
  Argument tensor_argument(const InLanes& value);
  Value* find(const InLanes& tensor) const;
  TensorType type_of(const InLanes& tensor) const;
  void add_sources(const InLanes& tensor, Value* value);
  Value* size(const Sizes& sizes, int depth = 0);
  Value* read_size(const Source& source);
  Value* combine(const char* op, Argument a, Argument b, const Sizes& sizes);
  Node* insert(std::string target, std::vector<NamedArgument> arguments, std::vector<OutputSpec> outputs, std::vector<int> structure);

  Value* constant(const at::Tensor& tensor);

  Model& model_;
  Graph& graph_;
  Node* replaced_;
  const Lanes& lanes_;
  std::vector<Node*> written_;
  std::vector<Value*> constants_;
  std::vector<std::unordered_map<const c10::TensorImpl*, Value*>> tensors_;  // by lane
  std::vector<Source> sources_;
  std::map<Sizes, Value*> sizes_;
};

}  // namespace dsc
