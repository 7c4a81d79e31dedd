// Puts translated values into the graph: weights under their module's names, operators with types from what they made in
// each lane, sizes as constants or symbols.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dscompress/model.h"
#include "io/torchscript_item.h"
#include "ir/dim_expression.h"

namespace dsc::torchscript {

// "aten::conv2d" -> "conv2d".
inline std::string base_name(const std::string& op) { return op.substr(op.find("::") + 2); }

using Expressions = std::map<std::string, std::string, std::less<>>;

// Who reads a constant: an operator's `weight` and `bias` are parameters, running statistics are buffers, all named after
// the node, "conv2d.weight".
struct Reader {
  std::string node_name, role;
  std::vector<const void*> constants;  // all that the node reads: nodes that read the same ones are one module, called twice
};

class GraphBuilder {
 public:
  // `lanes`: the symbols' values in each lane, the first being the example. `expressions`: each symbol as the graph writes it.
  GraphBuilder(Model& model, std::vector<SymbolValues> lanes, Expressions expressions);

  std::size_t lane_count() const { return lanes_.size(); }
  Graph& graph() { return model_.graph; }
  // Where nodes made from now on come from: module stack and source lines, as torch.export writes them.
  void set_origin(std::map<std::string, std::string> metadata) { origin_ = std::move(metadata); }

  // A parameter or buffer of the module. Names of the same elements share one tensor: tied weights stay tied.
  void add_weight(InputKind kind, const std::string& name, const at::Tensor& tensor);
  // The weight that was added under this name; none: there is no such weight.
  std::optional<Item> find_weight(const std::string& name) const;
  // Further names of tied weights that no node uses become mere aliases, as in a .pt2.
  void drop_unused_aliases();
  Item add_user_input(const std::string& name, std::vector<at::Tensor> lanes);
  // A tensor that the program holds: the weight of that name, or a constant.
  Item tensor(const at::Tensor& tensor);
  // Numbers, strings, lists and tensors that the program holds. Numbers in tensors without dimensions stay numbers.
  Item item(const c10::IValue& value);

  // The graph's value of a tensor or number. A constant becomes a weight of a kind that follows from who reads it.
  Value* value(const Item& item, const Reader& reader = {});
  // The size of a dimension: a constant, or a symbol.
  Item size(const TensorItem& tensor, std::int64_t dim);
  // A node that makes a number; without one when it is the same in all lanes.
  Item number(std::vector<c10::IValue> lanes, std::string_view target, const std::function<std::vector<NamedArgument>()>& arguments,
              std::string_view name);
  // A node that makes `results[lane][output]`, tensors and lists of tensors.
  Items operator_node(std::string target, std::string_view name, std::vector<NamedArgument> arguments,
                      const std::vector<std::vector<c10::IValue>>& results);

 private:
  struct Weight {
    Value* value;
    std::vector<at::Tensor> lanes;
  };
  Weight make_weight(InputKind kind, const std::string& name, const at::Tensor& tensor);
  Value* constant(const TensorItem& item, const Reader& reader);
  std::optional<std::string> find_expression(const std::vector<std::int64_t>& sizes) const;
  std::string fit(const std::vector<std::int64_t>& sizes, const std::string& what) const;
  TensorType type_of(const std::vector<at::Tensor>& lanes, const std::string& what) const;
  SymbolType symbol_type(const std::vector<c10::IValue>& lanes);
  Node* insert(std::string target, std::vector<NamedArgument> arguments, std::vector<OutputSpec> outputs, std::vector<int> structure = {});
  Value* input_size(const std::string& expression);

  Model& model_;
  std::vector<SymbolValues> lanes_;
  Expressions expressions_;
  std::map<std::string, std::string> origin_;
  std::unordered_map<const void*, Weight> weights_;              // by tensor
  std::map<std::pair<const void*, std::vector<const void*>>, Value*> small_constants_;  // by tensor and all that the node reads
  std::map<std::vector<std::int64_t>, std::string> by_storage_;  // names by address, offset, sizes and strides
  std::unordered_map<std::string, Weight> by_name_;
  std::vector<std::pair<std::string, std::string>> tied_;        // later name, first name
  std::map<std::pair<const Value*, std::int64_t>, Item> sizes_;
  std::map<std::string, std::pair<Value*, std::int64_t>> symbols_;  // where inputs have them, by expression
  std::vector<at::Tensor> keep_alive_;
  int constant_count_ = 0, unknown_count_ = 0;
};

}  // namespace dsc::torchscript
