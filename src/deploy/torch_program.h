// A graph written as the list of calls that OpenVINO's PyTorch frontend reads: TorchScript's vocabulary.
//
//   %conv2d = aten.conv2d.default(input=%x, weight=%p_w)     becomes
//
//   3 = prim::GetAttr[tensor]        4 = prim::Constant[None]     5 = prim::Constant[[1, 1]]    ...
//   9 = aten::conv2d(1, 3, 4, 5, 6, 7, 8)
//
// Every schema argument is there, defaults included; literals and weights are calls of their own; each value is a number.
// Training is off: batch norm and dropout are as in evaluation. In-place operators keep their names, and what aliases a
// changed tensor is computed anew after the change, so that the list means the same when read as pure functions.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "dscompress/error.h"
#include "dscompress/model.h"

namespace dsc {

using ValueId = std::size_t;  // from 1; 0 has a special meaning for the frontend

// monostate is None.
using TorchConstant = std::variant<std::monostate, std::int64_t, double, bool, std::string, std::vector<std::int64_t>,
                                   std::vector<double>, std::vector<bool>, at::Tensor>;

struct TorchValue {
  enum class Kind : std::uint8_t { none, text, number, list, tensor };
  Kind kind = Kind::tensor;
  ScalarType dtype = ScalarType::f32;  // of the number, the list's numbers, or the tensor
  bool is_tensor_list = false;         // of a list: its elements are tensors
  std::vector<std::int64_t> sizes;     // of a tensor; -1: symbolic
  std::string number;                  // the id as text: the frontend keeps references to it
  std::string name;                    // the graph's name, empty for what the graph does not name
};

struct TorchCall {
  std::string op;      // "aten::conv2d", "prim::Constant"
  std::string schema;  // of an ATen operator: "aten::relu_(Tensor(a!) self) -> Tensor(a!)"
  std::vector<ValueId> inputs, outputs;
  TorchConstant constant;         // of prim::Constant and prim::GetAttr
  const Node* origin = nullptr;   // null for constants of graph inputs
  std::string name;               // the origin's or the weight's name
  bool may_alias = false;         // a change of output 0 is to be written through to input 0
};

// A weight that the graph writes into: one of the inputs and one of the outputs, behind those of the user.
struct TorchState {
  std::string name;
  at::Tensor initial;
};

struct TorchProgram {
  std::vector<TorchCall> calls;
  std::vector<TorchValue> values;      // by id; [0] is unused
  std::vector<ValueId> inputs;         // user inputs that are tensors, then the states as a run finds them
  std::vector<std::string> input_names;
  std::vector<ValueId> outputs;        // user outputs that are tensors, then the states as a run leaves them
  std::vector<std::string> output_names;
  std::vector<ScalarType> output_types;
  std::vector<TorchState> states;
};

// errors: unsupported, naming each node whose operator has no schema and no rule here.
TorchProgram make_torch_program(const Model& model);

// "operator aten.foo.default (model.py:31 in forward: y = foo(x)) ..." at "%foo".
Problem operator_problem(const Node& node, const std::string& reason);

}  // namespace dsc
