// Graphs: nodes in a list, values by name, and use lists that every edit keeps right.
#include "dscompress/graph.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <string_view>
#include <unordered_set>

namespace dsc {
namespace {

// Calls visit(value, element) for every value an argument refers to; elements count list positions.
template <class Arg, class Visit>
void for_each_value(Arg& argument, Visit visit) {
  if (auto* value = std::get_if<Value*>(&argument)) {
    if (*value) visit(*value, std::size_t{0});
  } else if (auto* list = std::get_if<ValueList>(&argument)) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      if ((*list)[i]) visit((*list)[i], i);
    }
  } else if (auto* ints = std::get_if<IntList>(&argument)) {
    for (std::size_t i = 0; i < ints->size(); ++i) {
      if (auto* entry = std::get_if<Value*>(&(*ints)[i])) visit(*entry, i);
    }
  }
}

// The last entry of an exporter's module stack "key,path,type;key,path,type".
std::pair<std::string, std::string> innermost_module(const std::string& stack) {
  const auto entry = stack.substr(stack.rfind(';') + 1);  // npos + 1 == 0
  const auto first = entry.find(','), last = entry.rfind(',');
  if (first == std::string::npos || first == last) return {};
  auto path = entry.substr(first + 1, last - first - 1);
  if (path.starts_with("_empty_nn_module_stack")) return {};
  return {std::move(path), entry.substr(last + 1)};
}

}  // namespace

std::vector<Value*> values_of(const Argument& argument) {
  std::vector<Value*> values;
  for_each_value(argument, [&](Value* value, std::size_t) { values.push_back(value); });
  return values;
}

// --- Graph: life ---

Graph::Graph() = default;
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

std::unique_ptr<Graph> Graph::clone() const {
  auto copy = std::make_unique<Graph>();
  std::unordered_map<const Value*, Value*> values;
  std::unordered_map<const Region*, const Region*> regions{{nullptr, nullptr}};
  const auto mapped = [&](Argument argument) {
    for_each_value(argument, [&](Value*& value, std::size_t) { value = values.at(value); });
    return argument;
  };
  for (const auto& region : regions_) {
    Region made = *region;
    made.parent = regions.at(region->parent);
    regions[region.get()] = copy->add_region(std::move(made));
  }
  for (const auto& input : inputs_) {
    if (input.value) {
      values[input.value] = copy->add_input(input.kind, input.value->name(), input.target, input.value->type(), input.persistent);
    } else {
      copy->add_literal_input(input.target, input.literal);
    }
  }
  for (const auto& node : nodes_) {
    std::vector<NamedArgument> arguments;
    for (const auto& argument : node->arguments_) arguments.push_back({argument.name, mapped(argument.value), argument.is_keyword});
    std::vector<OutputSpec> outputs;
    for (const auto* output : node->outputs_) outputs.push_back({output->name(), output->type()});
    Node* made = copy->insert(nullptr, node->target_, std::move(arguments), std::move(outputs), node->output_structure_, node->name_);
    copy->copy_origin(made, node.get());
    made->region_ = regions.at(node->region_);
    for (std::size_t i = 0; i < node->outputs_.size(); ++i) values[node->outputs_[i]] = made->outputs_[i];
  }
  for (const auto& output : outputs_) copy->add_output(output.kind, mapped(output.value), output.target);
  return copy;
}

// --- Graph: reading ---

std::vector<Node*> Graph::nodes() const {
  std::vector<Node*> list;
  list.reserve(nodes_.size());
  for (const auto& node : nodes_) list.push_back(node.get());
  return list;
}

Value* Graph::find_value(std::string_view name) const {
  const auto found = values_.find(std::string(name));
  return found == values_.end() ? nullptr : found->second.get();
}

Node* Graph::find_node(std::string_view name) const {
  const auto found = nodes_by_name_.find(std::string(name));
  return found == nodes_by_name_.end() ? nullptr : found->second;
}

const GraphInput* Graph::find_input(const Value* value) const {
  for (const auto& input : inputs_) {
    if (input.value == value && value) return &input;
  }
  return nullptr;
}

Value* Graph::find_weight(std::string_view target) const {
  for (const auto& input : inputs_) {
    if (input.is_weight() && input.target == target) return input.value;
  }
  return nullptr;
}

std::string Graph::unique_name(std::string_view wish) const {
  std::string name(wish.empty() ? "value" : wish);
  for (int i = 1; values_.contains(name) || nodes_by_name_.contains(name); ++i) name = std::string(wish) + "_" + std::to_string(i);
  return name;
}

bool Graph::is_before(const Node* a, const Node* b) const {
  for (const auto& node : nodes_) {
    if (node.get() == b) return false;
    if (node.get() == a) return true;
  }
  return false;
}

// --- Graph: use lists ---

void Graph::add_use(Value* value, Use use) { value->uses_.push_back(use); }

void Graph::remove_use(Value* value, const Use& use) {
  const auto found = std::find(value->uses_.begin(), value->uses_.end(), use);
  assert(found != value->uses_.end());
  value->uses_.erase(found);
}

void Graph::link(Node* node) {
  for (std::size_t i = 0; i < node->arguments_.size(); ++i) {
    for_each_value(node->arguments_[i].value, [&](Value* value, std::size_t element) { add_use(value, {node, i, element}); });
  }
}

void Graph::unlink(Node* node) {
  for (std::size_t i = 0; i < node->arguments_.size(); ++i) {
    for_each_value(node->arguments_[i].value, [&](Value* value, std::size_t element) { remove_use(value, {node, i, element}); });
  }
}

Value* Graph::make_value(std::string_view name, Type type) {
  auto value = std::make_unique<Value>();
  value->name_ = values_.contains(std::string(name)) || name.empty() ? unique_name(name) : std::string(name);
  value->type_ = std::move(type);
  auto* made = value.get();
  values_.emplace(made->name_, std::move(value));
  return made;
}

// --- Graph: building ---

Value* Graph::add_input(InputKind kind, std::string_view name, std::string target, Type type, bool persistent) {
  auto* value = make_value(name, std::move(type));
  inputs_.push_back({kind, value, std::move(target), persistent, NoneArgument{}});
  return value;
}

void Graph::add_literal_input(std::string name, Argument literal) {
  inputs_.push_back({InputKind::literal, nullptr, std::move(name), true, std::move(literal)});
}

void Graph::add_output(OutputKind kind, Argument value, std::string target) {
  outputs_.push_back({kind, std::move(value), std::move(target)});
  const auto index = outputs_.size() - 1;
  for_each_value(outputs_[index].value, [&](Value* used, std::size_t element) { add_use(used, {nullptr, index, element}); });
}

const Region* Graph::add_region(Region region) {
  regions_.push_back(std::make_unique<Region>(std::move(region)));
  return regions_.back().get();
}

Node* Graph::insert(Node* before, std::string target, std::vector<NamedArgument> arguments, std::vector<OutputSpec> outputs,
                    std::vector<int> structure, std::string_view name) {
  auto made = std::make_unique<Node>();
  auto* node = made.get();
  node->target_ = std::move(target);
  node->arguments_ = std::move(arguments);
  node->output_structure_ = structure.empty() ? std::vector<int>(outputs.size(), -1) : std::move(structure);
  for (auto& output : outputs) {
    auto* value = make_value(output.name, std::move(output.type));
    value->producer_ = node;
    value->output_index_ = node->outputs_.size();
    node->outputs_.push_back(value);
  }
  // A node is called like its first output unless it says otherwise, as in torch.export.
  const std::string wish(!name.empty() ? name : node->outputs_.empty() ? node->target_ : std::string_view(node->outputs_[0]->name()));
  node->name_ = wish;
  for (int i = 1; nodes_by_name_.contains(node->name_); ++i) node->name_ = wish + "_" + std::to_string(i);
  nodes_by_name_.emplace(node->name_, node);
  node->position_ = nodes_.insert(before ? before->position_ : nodes_.end(), std::move(made));
  link(node);
  return node;
}

// --- Graph: editing ---

void Graph::set_target(Node* node, std::string target) { node->target_ = std::move(target); }

void Graph::set_arguments(Node* node, std::vector<NamedArgument> arguments) {
  unlink(node);
  node->arguments_ = std::move(arguments);
  link(node);
}

void Graph::set_argument(Node* node, std::string_view name, Argument value) {
  unlink(node);
  auto& arguments = node->arguments_;
  const auto found = std::find_if(arguments.begin(), arguments.end(), [&](const auto& a) { return a.name == name; });
  if (found != arguments.end()) {
    found->value = std::move(value);
  } else {
    arguments.push_back({std::string(name), std::move(value), true});
  }
  link(node);
}

void Graph::set_metadata(Node* node, std::map<std::string, std::string> metadata) {
  node->metadata_ = std::move(metadata);
  const auto stack = node->metadata_.find("nn_module_stack");
  std::tie(node->module_path_, node->module_type_) =
      stack == node->metadata_.end() ? std::pair<std::string, std::string>{} : innermost_module(stack->second);
}

void Graph::set_region(Node* node, const Region* region) { node->region_ = region; }

void Graph::copy_origin(Node* to, const Node* from) {
  to->metadata_ = from->metadata_;
  to->module_path_ = from->module_path_;
  to->module_type_ = from->module_type_;
  to->region_ = from->region_;
}

void Graph::set_type(Value* value, Type type) { value->type_ = std::move(type); }

void Graph::rename(Value* value, std::string_view wish) {
  if (value->name_ == wish) return;
  auto name = values_.contains(std::string(wish)) ? unique_name(wish) : std::string(wish);  // nodes have names of their own
  auto entry = values_.extract(value->name_);
  entry.key() = name;
  values_.insert(std::move(entry));
  value->name_ = std::move(name);
}

void Graph::set_output(std::size_t index, Argument value) {
  auto& output = outputs_.at(index);
  for_each_value(output.value, [&](Value* used, std::size_t element) { remove_use(used, {nullptr, index, element}); });
  output.value = std::move(value);
  for_each_value(output.value, [&](Value* used, std::size_t element) { add_use(used, {nullptr, index, element}); });
}

void Graph::replace_use(const Use& use, Value* to) {
  auto& argument = use.node ? use.node->arguments_.at(use.argument).value : outputs_.at(use.argument).value;
  for_each_value(argument, [&](Value*& value, std::size_t element) {
    if (element != use.element) return;
    remove_use(value, use);
    value = to;
    add_use(to, use);
  });
}

void Graph::replace_uses(Value* from, Value* to) {
  if (from == to) return;
  const auto uses = from->uses_;
  for (const auto& use : uses) replace_use(use, to);
}

void Graph::erase(Node* node) {
  assert(std::all_of(node->outputs_.begin(), node->outputs_.end(), [](const Value* value) { return value->uses_.empty(); }));
  unlink(node);
  for (const auto* output : node->outputs_) values_.erase(std::string(output->name_));
  nodes_by_name_.erase(node->name_);
  nodes_.erase(node->position_);
}

bool Graph::erase_if_dead(Node* node) {
  const bool used = std::any_of(node->outputs_.begin(), node->outputs_.end(), [](const Value* value) { return !value->uses_.empty(); });
  if (used || has_side_effect(*node)) return false;
  erase(node);
  return true;
}

void Graph::remove_input(const Value* value) {
  assert(value->uses_.empty());
  std::erase_if(inputs_, [&](const GraphInput& input) { return input.value == value; });
  values_.erase(std::string(value->name_));
}

std::vector<std::string> Graph::erase_dead_code(bool unused_weights) {
  for (auto it = nodes_.end(); it != nodes_.begin();) {
    auto* node = std::prev(it)->get();
    if (!erase_if_dead(node)) --it;
  }
  std::vector<std::string> removed;
  if (!unused_weights) return removed;
  std::vector<const Value*> dead;
  for (const auto& input : inputs_) {
    if (!input.is_weight() || !input.value->uses().empty()) continue;
    removed.push_back(input.target);
    dead.push_back(input.value);
  }
  for (const auto* value : dead) remove_input(value);
  return removed;
}

}  // namespace dsc
