// Seeded random graphs that use everything the graph can hold.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "core/random.h"
#include "dscompress/graph.h"

namespace dsc::test {

class RandomGraph {
 public:
  explicit RandomGraph(std::uint64_t seed) : random_(seed) {}

  Graph make() {
    for (std::int64_t i = 0, n = random_.below(3); i < n; ++i) {
      regions_.push_back(graph_.add_region(random_region()));
    }
    for (int i = 0; i < 3; ++i) add_tensor_input(i);
    if (random_.below(2)) graph_.add_literal_input(text(), literal());
    for (std::int64_t i = 0, n = random_.below(12); i < n; ++i) add_node();
    graph_.add_output(OutputKind::user, pick_value());
    if (random_.below(3) == 0) graph_.add_output(OutputKind::user, literal());
    if (random_.below(2)) graph_.add_output(OutputKind::buffer_mutation, pick_value(), "weight 1");
    return std::move(graph_);
  }

 private:
  std::string text() {
    static const std::vector<std::string> kTexts = {"x", "layer1.0.conv1", "", "a\"b\\c", "two\nlines\tand tab", "\x01\x7f",
                                                    "grüß", "in", "a,b;c", "0.weight", "graph {", "]", "# no comment"};
    return kTexts[static_cast<std::size_t>(random_.below(static_cast<std::int64_t>(kTexts.size())))];
  }
  double real() {
    static const std::vector<double> kReals = {0.0, -0.0, 1.0, 1e-5, 0.1, 1e300, -1.5, std::numeric_limits<double>::infinity(),
                                               -std::numeric_limits<double>::infinity(), 5e-324};
    const std::int64_t i = random_.below(12);
    if (i < 10) return kReals[static_cast<std::size_t>(i)];
    const auto value = std::bit_cast<double>(random_.next());
    return value == value ? value : std::numeric_limits<double>::quiet_NaN();
  }
  std::int64_t integer() {
    const std::int64_t i = random_.below(6);
    if (i == 0) return std::numeric_limits<std::int64_t>::max();
    if (i == 1) return std::numeric_limits<std::int64_t>::min();
    return random_.below(2000) - 1000;
  }
  bool flip() { return random_.below(2) == 1; }
  ScalarType dtype() { return static_cast<ScalarType>(random_.below(20)); }
  Device device() { return random_.below(3) ? Device{} : Device{flip() ? "cuda" : "my device", flip() ? std::optional<std::int64_t>(1) : std::nullopt}; }
  Dim dim() {
    static const std::vector<std::string> kExpressions = {"s77", "s77*s27", "((s77 - 1)//2) + 1", "Max(1, s0)", "2*s77", "a{b}", "Eq(s0, 1)"};
    if (flip()) return {.size = random_.below(100)};
    return {.size = random_.below(3) - 1, .expression = kExpressions[static_cast<std::size_t>(random_.below(7))]};
  }
  std::vector<Dim> dims() {
    std::vector<Dim> list(static_cast<std::size_t>(random_.below(4)));
    for (Dim& d : list) d = dim();
    return list;
  }
  Type tensor_type() {
    TensorType type{.dtype = dtype(), .sizes = dims(), .device = device(), .requires_grad = flip()};
    if (flip()) type.strides = type.sizes;
    return type;
  }
  Type type() {
    const std::int64_t i = random_.below(6);
    if (i == 0) return SymbolType{.kind = ScalarKind::sym_int, .expression = dim()};
    if (i == 1) return SymbolType{.kind = ScalarKind::sym_float, .expression = {.expression = "s0/2"}, .hint = real()};
    if (i == 2) return SymbolType{.kind = ScalarKind::sym_bool, .expression = {.expression = "Eq(s0, 1)"}};
    return tensor_type();
  }
  Value* remember(Value* value) {
    (value->is_tensor() ? tensors_ : symbols_).push_back(value);
    return value;
  }
  Value* pick(const std::vector<Value*>& list) { return list[static_cast<std::size_t>(random_.below(static_cast<std::int64_t>(list.size())))]; }
  Value* pick_value() { return pick(tensors_); }

  Region random_region() {
    Region region{.kind = flip() ? Region::Kind::autocast : Region::Kind::set_grad, .name = text()};
    if (region.kind == Region::Kind::autocast) region.arguments = {std::string("cpu"), ScalarType::bf16, true, NoneArgument{}};
    else region.arguments = {flip()};
    if (!regions_.empty() && flip()) region.parent = regions_.back();
    return region;
  }
  void add_tensor_input(int i) {
    const auto kind = static_cast<InputKind>(i);
    remember(graph_.add_input(kind, "in " + std::to_string(i), "weight " + std::to_string(i), tensor_type(), flip()));
    if (i == 2) remember(graph_.add_input(InputKind::user, "n", "n", SymbolType{.expression = dim()}));
  }

  Argument literal() {
    switch (random_.below(14)) {
      case 0: return integer();
      case 1: return real();
      case 2: return flip();
      case 3: return text();
      case 4: return dtype();
      case 5: return static_cast<MemoryFormat>(random_.below(4));
      case 6: return static_cast<Layout>(random_.below(2));
      case 7: return device();
      case 8: return Complex{real(), real()};
      case 9: return IntList(static_cast<std::size_t>(random_.below(3)), integer());
      case 10: return std::vector<double>(static_cast<std::size_t>(random_.below(3)), real());
      case 11: return std::vector<bool>(static_cast<std::size_t>(random_.below(3)), flip());
      case 12: return std::vector<std::string>(static_cast<std::size_t>(random_.below(3)), text());
      default: return NoneArgument{};
    }
  }
  Argument argument() {
    switch (random_.below(6)) {
      case 0: return pick_value();
      case 1: return pick(symbols_);
      case 2: {
        ValueList list(static_cast<std::size_t>(random_.below(4)));
        for (Value*& value : list) value = flip() ? pick_value() : nullptr;
        return list;
      }
      case 3: {
        IntList list(static_cast<std::size_t>(random_.below(4)));
        for (IntOrValue& item : list) item = flip() ? IntOrValue(integer()) : IntOrValue(pick(symbols_));
        return list;
      }
      default: return literal();
    }
  }
  void add_node() {
    std::vector<NamedArgument> arguments;
    for (std::int64_t i = 0, n = random_.below(4); i < n; ++i) {
      arguments.push_back({flip() ? "" : "arg " + std::to_string(i), argument(), flip()});
    }
    if (flip()) arguments.push_back({"self", argument(), false});
    std::vector<int> structure;
    std::vector<OutputSpec> outputs;
    const std::int64_t shape = random_.below(4);
    if (shape == 1) structure = {-1};
    if (shape == 2) structure = {-1, -1};
    if (shape == 3) structure = {static_cast<int>(random_.below(3)), -1};
    for (int size : structure) {
      for (int i = 0; i < (size < 0 ? 1 : size); ++i) outputs.push_back({graph_.unique_name("v" + std::to_string(++count_)), type()});
    }
    static const std::vector<std::string> kTargets = {"aten.add.Tensor", "_operator.mul", "my ops.x", "math.trunc"};
    const std::string name = flip() || outputs.empty() ? "node " + std::to_string(++count_) : "";
    Node* node = graph_.insert(nullptr, kTargets[static_cast<std::size_t>(random_.below(4))], std::move(arguments),
                               std::move(outputs), std::move(structure), name);
    for (Value* value : node->outputs()) remember(value);
    std::map<std::string, std::string> metadata;
    if (flip()) metadata["nn_module_stack"] = "L__self__,,net.Net;L__self__a,layer1.0,torch.nn.Conv2d";
    if (flip()) metadata[text()] = text();
    graph_.set_metadata(node, metadata);
    if (!regions_.empty() && flip()) graph_.set_region(node, regions_.back());
  }

  Random random_;
  Graph graph_;
  std::vector<const Region*> regions_;
  std::vector<Value*> tensors_, symbols_;
  int count_ = 0;
};

}  // namespace dsc::test
