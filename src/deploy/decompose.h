// Replaces a node by the operators that it consists of.
//
//   %loss = aten.l1_loss.default(self=%x, target=%y, reduction=1)       becomes
//
//   %sub = aten.sub.Tensor(self=%x, other=%y)    %abs = aten.abs.default(self=%sub)    %loss = aten.mean.default(self=%abs)
//
// torch.cond becomes both branches and a choice. What has no elements, or is made of literals alone, is computed here: a constant. The calls are those that the operator's
// own decomposition makes (decompositions.h), or LibTorch's composite kernel. It runs several times on small tensors, in which
// symbolic sizes differ; numbers that differ with them are written as sizes again.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "dscompress/model.h"

namespace dsc {

class Decomposer {
 public:
  explicit Decomposer(Model& model) : model_(model), graph_(model.graph) {}

  // Replaces every node that OpenVINO is known to convert or run wrongly, branches, and by constants what has no elements.
  void replace_known();
  // returns: why the node cannot be replaced; empty: it is.
  std::string replace(Node* node);

 private:
  bool replace_empty(Node* node);
  bool replace_by_constants(Node* node, const std::vector<c10::IValue>& arguments);
  void put_constants(Node* node, const std::vector<at::Tensor>& tensors);

  Model& model_;
  Graph& graph_;
  std::unordered_map<const Node*, std::set<std::string>> within_;  // targets of what a node was written for
};

}  // namespace dsc
