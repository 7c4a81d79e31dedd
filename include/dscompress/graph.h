// The operator graph: values, nodes and the edits that keep them consistent.
//
// A Graph is one flat, topologically ordered list of nodes over ATen operators, in the vocabulary of torch.export.
// Sub-graphs of `wrap_with_autocast` and `wrap_with_set_grad_enabled` are flattened on import: their nodes carry a
// Region, and the .pt2 writer nests them again. In-place operators stay in place; order is execution order.
//
// Goals: any operator graph, symbolic dimensions, use lists that cannot go stale (no mutable container is handed out).
// Non-goals: control flow, except that torch.cond is carried along unopened (ir/control_flow.h); tensor data (model.h: Weights).
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

namespace dsc {

class Graph;
class Node;

// Spelled u8 i8 i16 i32 i64 f16 f32 f64 c32 c64 c128 bool bf16 f8e4m3fn f8e5m2 f8e4m3fnuz f8e5m2fnuz u16 u32 u64 f8e8m0fnu in text.
enum class ScalarType : std::uint8_t {
  u8, i8, i16, i32, i64, f16, f32, f64, c32, c64, c128, boolean, bf16,
  f8e4m3fn, f8e5m2, f8e4m3fnuz, f8e5m2fnuz, u16, u32, u64, f8e8m0fnu
};
std::string_view to_string(ScalarType type);
std::optional<ScalarType> find_scalar_type(std::string_view name);
std::int64_t byte_size(ScalarType type);
bool is_floating(ScalarType type);

enum class MemoryFormat : std::uint8_t { contiguous, preserve, channels_last, channels_last_3d };
enum class Layout : std::uint8_t { strided, other };
struct Device {
  std::string type = "cpu";
  std::optional<std::int64_t> index = {};
  bool operator==(const Device&) const = default;
};

// One dimension, or any symbolic integer: a fixed number, or an expression with the example's value as hint.
struct Dim {
  std::int64_t size = 0;   // the fixed size; for a symbolic one the hint (-1: none)
  std::string expression;  // empty: fixed. Otherwise as the exporter wrote it: "s77", "s77*s27", "((s77 - 1)//2) + 1"
  bool is_fixed() const { return expression.empty(); }
  bool operator==(const Dim&) const = default;
};

struct TensorType {
  ScalarType dtype = ScalarType::f32;
  std::vector<Dim> sizes;
  std::vector<Dim> strides;  // as exported; empty after an edit: contiguous
  Device device = {};
  bool requires_grad = false;
  std::int64_t rank() const { return static_cast<std::int64_t>(sizes.size()); }
};
enum class ScalarKind : std::uint8_t { sym_int, sym_float, sym_bool };
struct SymbolType {
  ScalarKind kind = ScalarKind::sym_int;
  Dim expression;                     // for sym_int; other kinds keep only the text
  std::optional<double> hint = {};    // of a sym_float or sym_bool (0 or 1)
};
using Type = std::variant<TensorType, SymbolType>;

// One use of a value: argument `argument` of `node` (null: the graph's outputs), element `element` of a list (else 0).
struct Use {
  Node* node = nullptr;
  std::size_t argument = 0;
  std::size_t element = 0;
  bool operator==(const Use&) const = default;
};

class Value {
 public:
  const std::string& name() const { return name_; }  // unique in the graph, without "%"
  const Type& type() const { return type_; }
  bool is_tensor() const { return std::holds_alternative<TensorType>(type_); }
  const TensorType& tensor() const { return std::get<TensorType>(type_); }  // precondition: is_tensor()
  Node* producer() const { return producer_; }                              // null: a graph input
  std::size_t output_index() const { return output_index_; }                // position among the producer's outputs
  const std::vector<Use>& uses() const { return uses_; }

 private:
  friend class Graph;
  std::string name_;
  Type type_;
  Node* producer_ = nullptr;
  std::size_t output_index_ = 0;
  std::vector<Use> uses_;
};

struct NoneArgument {
  bool operator==(const NoneArgument&) const = default;
};
using IntOrValue = std::variant<std::int64_t, Value*>;   // the Value is a sym_int
// List of tensors; a null entry is None.
using ValueList = std::vector<Value*>;
using IntList = std::vector<IntOrValue>;
struct Complex {
  double real = 0, imaginary = 0;
  bool operator==(const Complex&) const = default;
};
using Argument = std::variant<NoneArgument, Value*, ValueList, std::int64_t, IntList, double, std::vector<double>, bool,
                              std::vector<bool>, std::string, std::vector<std::string>, ScalarType, MemoryFormat, Layout,
                              Device, Complex>;

struct NamedArgument {
  std::string name;         // the schema's argument name; may be empty for Python built-ins
  Argument value;
  bool is_keyword = false;  // written as keyword by the exporter
};

// A stretch of nodes under a changed global mode.
struct Region {
  enum class Kind : std::uint8_t { autocast, set_grad };
  Kind kind = Kind::autocast;
  std::vector<Argument> arguments;  // autocast: device type, dtype or None, enabled, cache_enabled or None; set_grad: enabled
  const Region* parent = nullptr;   // the enclosing region
  std::string name;                 // the sub-graph's name on export
};

// One operator call.
class Node {
 public:
  const std::string& name() const { return name_; }
  // "aten.conv2d.default", "_operator.mul", "math.trunc": namespace.operator.overload, without "torch.ops.".
  const std::string& target() const { return target_; }
  bool is(std::string_view target) const { return target_ == target; }
  // "aten.conv2d" for "aten.conv2d.default": the operator without its overload.
  std::string_view op() const;
  const std::vector<NamedArgument>& arguments() const { return arguments_; }
  // By schema name; null when the exporter left it at its default.
  const Argument* find_argument(std::string_view name) const;
  // Tensor or symbolic argument by name; null when absent or None.
  Value* find_value(std::string_view name) const;
  const std::vector<Value*>& outputs() const { return outputs_; }
  Value* output(std::size_t i = 0) const { return outputs_.at(i); }
  // Sizes of list outputs: {-1} is one plain value, {3} one list of three, {-1,-1} two plain values.
  const std::vector<int>& output_structure() const { return output_structure_; }
  const Region* region() const { return region_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // The path of the innermost module that made this node, "layer1.0.conv1"; empty: the root.
  const std::string& module_path() const { return module_path_; }
  // The class of that module, "torch.nn.modules.conv.Conv2d"; empty when unknown.
  const std::string& module_type() const { return module_type_; }
  // The user's source line, "model.py:31 in forward: x = self.conv(x)"; empty when unknown.
  std::string source_line() const;

 private:
  friend class Graph;
  std::string name_, target_, module_path_, module_type_;
  std::vector<NamedArgument> arguments_;
  std::vector<Value*> outputs_;
  std::vector<int> output_structure_;
  std::map<std::string, std::string> metadata_;
  const Region* region_ = nullptr;
  std::list<std::unique_ptr<Node>>::iterator position_;
};

enum class InputKind : std::uint8_t { parameter, buffer, constant, user, literal };
struct GraphInput {
  InputKind kind = InputKind::user;
  Value* value = nullptr;     // null for a literal
  std::string target;         // parameter, buffer or constant name in Weights; the argument name for user and literal
  bool persistent = true;     // of a buffer
  Argument literal = NoneArgument{};  // value of a literal input (None, int, float, bool, string)

  // Whether `target` is a tensor in Weights, not what the user gives.
  bool is_weight() const { return kind == InputKind::parameter || kind == InputKind::buffer || kind == InputKind::constant; }
};
enum class OutputKind : std::uint8_t { user, loss, buffer_mutation, parameter_mutation, input_mutation };
struct GraphOutput {
  OutputKind kind = OutputKind::user;
  Argument value = NoneArgument{};  // Value*, or a literal
  std::string target;               // what is mutated
};

struct OutputSpec {
  std::string name;
  Type type;
};

class Graph {
 public:
  Graph();
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;
  Graph(const Graph&) = delete;
  std::unique_ptr<Graph> clone() const;

  // --- reading ---
  const std::vector<GraphInput>& inputs() const { return inputs_; }
  const std::vector<GraphOutput>& outputs() const { return outputs_; }
  std::vector<Node*> nodes() const;  // in execution order; a copy, so edits during a loop over it are safe
  std::size_t node_count() const { return nodes_.size(); }
  Value* find_value(std::string_view name) const;    // null: none of that name
  Node* find_node(std::string_view name) const;      // null: none of that name
  const GraphInput* find_input(const Value* value) const;           // null: not an input
  Value* find_weight(std::string_view target) const;                // the value of parameter/buffer/constant `target`
  const std::vector<std::unique_ptr<Region>>& regions() const { return regions_; }
  std::string unique_name(std::string_view wish) const;              // `wish`, or wish_1, wish_2, ...
  bool is_before(const Node* a, const Node* b) const;                // cost: linear

  // --- building and editing; every function keeps use lists right ---
  Value* add_input(InputKind kind, std::string_view name, std::string target, Type type, bool persistent = true);
  void add_literal_input(std::string name, Argument literal);
  void add_output(OutputKind kind, Argument value, std::string target = {});
  const Region* add_region(Region region);
  // Inserts before `before` (null: at the end). Names are made unique. `structure` empty: one plain value per output.
  Node* insert(Node* before, std::string target, std::vector<NamedArgument> arguments, std::vector<OutputSpec> outputs,
               std::vector<int> structure = {}, std::string_view name = {});
  void set_target(Node* node, std::string target);
  void set_arguments(Node* node, std::vector<NamedArgument> arguments);
  // Replaces the named argument, or appends it as keyword.
  void set_argument(Node* node, std::string_view name, Argument value);
  void set_metadata(Node* node, std::map<std::string, std::string> metadata);
  void set_region(Node* node, const Region* region);
  void copy_origin(Node* to, const Node* from);  // metadata, module path, region
  void set_type(Value* value, Type type);
  void rename(Value* value, std::string_view wish);
  void set_output(std::size_t index, Argument value);
  // All uses of `from` become uses of `to`, graph outputs included; with `after` only uses by nodes after it.
  void replace_uses(Value* from, Value* to);
  void replace_use(const Use& use, Value* to);
  // Precondition: no output of the node is used.
  void erase(Node* node);
  bool erase_if_dead(Node* node);
  // Removes every node without effect whose outputs are unused, then unused parameters, buffers and constants if asked.
  // returns: names of the weights whose inputs were removed.
  std::vector<std::string> erase_dead_code(bool unused_weights);
  void remove_input(const Value* value);  // precondition: unused

 private:
  void link(Node* node);
  void unlink(Node* node);
  void add_use(Value* value, Use use);
  void remove_use(Value* value, const Use& use);
  Value* make_value(std::string_view name, Type type);

  std::vector<GraphInput> inputs_;
  std::vector<GraphOutput> outputs_;
  std::list<std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<Region>> regions_;
  std::unordered_map<std::string, std::unique_ptr<Value>> values_;
  std::unordered_map<std::string, Node*> nodes_by_name_;
};

// Whether running the node changes an existing tensor or has another effect: "aten.relu_.default", "aten._assert_...".
bool has_side_effect(const Node& node);

// All values an argument refers to, in order (None entries skipped).
std::vector<Value*> values_of(const Argument& argument);

}  // namespace dsc
