// A node's arguments as a stack of IValues, ordered by the operator's schema: constants are made once, when the graph is
// compiled; values are filled in at run time.
#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "dscompress/graph.h"

namespace dsc {

// Position of a value in the frame of a run.
using Slot = std::uint32_t;
inline constexpr Slot kNoSlot = ~Slot{0};
using SlotMap = std::unordered_map<const Value*, Slot>;

// A reference to a value, or (kNoSlot) a constant.
struct Operand {
  Slot slot = kNoSlot;
  bool move = false;  // the value is not needed any more
  c10::IValue constant;
};

// An entry of the stack that depends on values.
struct Fill {
  std::size_t position = 0;
  bool is_list = false;
  bool as_is = false;             // the value has the schema's type already
  c10::TypePtr type;              // of the entry, or of the list's elements; null: as it is
  std::vector<Operand> operands;  // one unless it is a list
};

struct StackTemplate {
  std::vector<c10::IValue> entries;
  std::vector<Fill> fills;
};

// errors: unsupported, naming the argument, when it does not fit the schema. Devices cpu and cuda become `device`.
StackTemplate make_stack(const Node& node, const c10::FunctionSchema& schema, const SlotMap& slots, c10::Device device);
// For Python's built-in operators, which have no schema: positions as given.
StackTemplate make_stack(const Node& node, const SlotMap& slots);

// The value of a literal as LibTorch wants it for `type` (null: any). errors: unsupported.
c10::IValue to_ivalue(const Argument& argument, const c10::TypePtr& type, c10::Device device);
// Converts a number at run time: to a wrapped 0-dim tensor, a double, ... where `type` asks for it.
c10::IValue coerce(c10::IValue value, const c10::Type& type);

// Puts a run's values into the stack, moving those that are marked.
void fill_stack(const StackTemplate& model, std::vector<c10::IValue>& frame, std::vector<c10::IValue>& stack);

}  // namespace dsc
