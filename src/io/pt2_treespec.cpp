#include "io/pt2_treespec.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace dsc::pt2 {
namespace {

using OrderedJson = nlohmann::ordered_json;

// Whether all that is read of a node and what is below it is there.
bool is_node(const OrderedJson& node) {
  if (!node.is_object() || !node.contains("type") || !node.contains("context") || !node.contains("children_spec")) return false;
  const auto& children = node.at("children_spec");
  return (node.at("type").is_null() || node.at("type").is_string()) && children.is_array() && std::all_of(children.begin(), children.end(), is_node);
}

// "[1, {...}]": version and root.
std::optional<OrderedJson> parse_root(const std::string& spec) {
  auto parsed = OrderedJson::parse(spec, nullptr, false);
  if (!parsed.is_array() || parsed.size() != 2 || !parsed[1].is_object()) return std::nullopt;
  return parsed;
}

bool is_leaf(const OrderedJson& node) { return node.at("type").is_null(); }
OrderedJson& children(OrderedJson& node) { return node.at("children_spec"); }
const OrderedJson& children(const OrderedJson& node) { return node.at("children_spec"); }

bool is_sequence(const OrderedJson& node) { return node.at("type") == "builtins.tuple" || node.at("type") == "builtins.list"; }
bool is_dictionary(const OrderedJson& node) { return node.at("type") == "builtins.dict" || node.at("type") == "collections.OrderedDict"; }

// The keys of a dictionary node, which its context holds as JSON text; empty for other containers.
std::vector<std::string> keys_of(const OrderedJson& node) {
  std::vector<std::string> keys;
  if (!is_dictionary(node) || !node.at("context").is_string()) return keys;
  const auto list = OrderedJson::parse(node.at("context").get<std::string>(), nullptr, false);
  if (!list.is_array()) return keys;
  for (const auto& key : list) keys.push_back(key.is_string() ? key.get<std::string>() : key.dump());
  return keys;
}

using KeysOf = std::vector<std::string> (*)(const OrderedJson& node, const OrderedJson& named_tuples);

std::vector<std::string> keys_of_mapping(const OrderedJson& node, const OrderedJson&) { return keys_of(node); }

// Also of named tuples and of classes that registered their fields: `["logits"]`, data classes `[["boxes", "scores"], []]`.
std::vector<std::string> keys_of_fields(const OrderedJson& node, const OrderedJson& named_tuples) {
  if (is_sequence(node) || is_dictionary(node) || !node.at("context").is_string()) return keys_of(node);
  const auto context = node.at("context").get<std::string>();
  auto fields = OrderedJson::parse(context, nullptr, false);
  if (named_tuples.contains(context) && named_tuples.at(context).contains("field_names"))
    fields = OrderedJson(named_tuples.at(context).at("field_names"));
  if (fields.is_array() && !fields.empty() && fields[0].is_array()) fields = OrderedJson(fields[0]);
  std::vector<std::string> keys;
  if (!fields.is_array() || fields.size() != children(node).size()) return keys;
  for (const auto& field : fields) keys.push_back(field.is_string() ? field.get<std::string>() : field.dump());
  return keys;
}

void collect_names(const OrderedJson& node, const std::string& path, std::vector<std::string>& names, KeysOf keys_in = keys_of_mapping,
                   const OrderedJson& named_tuples = {}) {
  if (is_leaf(node)) {
    names.push_back(path);
    return;
  }
  const auto keys = keys_in(node, named_tuples);
  for (std::size_t i = 0; i < children(node).size(); ++i) {
    const auto part = i < keys.size() ? keys[i] : std::to_string(i);
    collect_names(children(node)[i], path.empty() ? part : path + "." + part, names, keys_in, named_tuples);
  }
}

std::size_t count_leaves(const OrderedJson& node) {
  if (is_leaf(node)) return 1;
  std::size_t count = 0;
  for (const auto& child : children(node)) count += count_leaves(child);
  return count;
}

// Whether `node` is the pair (args, kwargs) that every input specification is.
bool is_call(const OrderedJson& node) {
  return !is_leaf(node) && is_sequence(node) && children(node).size() == 2 && !is_leaf(children(node)[0]) && !is_leaf(children(node)[1]) &&
         is_sequence(children(node)[0]) && is_dictionary(children(node)[1]);
}

// Removes marked leaves below `node`, `next` counting leaves; false where a container cannot lose a field.
bool remove_leaves(OrderedJson& node, const std::vector<bool>& removed, std::size_t& next) {
  auto keys = keys_of(node);
  auto kept = OrderedJson::array();
  auto kept_keys = OrderedJson::array();
  for (std::size_t i = 0; i < children(node).size(); ++i) {
    auto& child = children(node)[i];
    if (is_leaf(child)) {
      if (next < removed.size() && removed[next++]) continue;
    } else if (!remove_leaves(child, removed, next)) {
      return false;
    }
    kept.push_back(child);
    if (i < keys.size()) kept_keys.push_back(keys[i]);
  }
  if (kept.size() == children(node).size()) {
    children(node) = std::move(kept);
    return true;
  }
  if (!is_sequence(node) && keys.size() != children(node).size()) return false;
  if (is_dictionary(node)) node["context"] = kept_keys.dump();
  children(node) = std::move(kept);
  return true;
}

OrderedJson leaf() { return {{"type", nullptr}, {"context", nullptr}, {"children_spec", OrderedJson::array()}}; }
OrderedJson tuple_of(std::size_t size) {
  auto list = OrderedJson::array();
  for (std::size_t i = 0; i < size; ++i) list.push_back(leaf());
  return {{"type", "builtins.tuple"}, {"context", "null"}, {"children_spec", std::move(list)}};
}

}  // namespace

std::optional<std::vector<std::string>> leaf_names(const std::string& in_spec, const std::vector<std::string>& forward_names) {
  const auto root = parse_root(in_spec);
  if (!root || !is_call((*root)[1])) return std::nullopt;
  std::vector<std::string> names;
  const auto& arguments = children(children((*root)[1])[0]);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    collect_names(arguments[i], i < forward_names.size() ? forward_names[i] : "argument" + std::to_string(i), names);
  }
  collect_names(children((*root)[1])[1], "", names);
  return names;
}

std::optional<std::vector<std::string>> output_leaf_names(const std::string& out_spec, const std::string& named_tuples) {
  const auto root = parse_root(out_spec);
  if (!root || !is_node((*root)[1])) return std::nullopt;
  const OrderedJson& node = (*root)[1];
  const auto tuples = OrderedJson::parse(named_tuples, nullptr, false);
  if (is_leaf(node) || keys_of_fields(node, tuples).empty()) return std::vector<std::string>(count_leaves(node));
  std::vector<std::string> names;
  collect_names(node, "", names, keys_of_fields, tuples);
  return names;
}

std::optional<std::size_t> leaf_count(const std::string& spec) {
  const auto root = parse_root(spec);
  if (!root) return std::nullopt;
  return count_leaves((*root)[1]);
}

std::optional<TrimmedSpec> without_leaves(const std::string& in_spec, const std::vector<std::string>& forward_names,
                                          const std::vector<bool>& removed) {
  auto root = parse_root(in_spec);
  if (!root || !is_call((*root)[1])) return std::nullopt;
  auto& call = (*root)[1];
  // forward() keeps the names of its arguments; those that were leaves and are removed go.
  std::vector<bool> name_removed(forward_names.size(), false);
  std::size_t leaves = 0, name = 0;
  for (const auto& part : children(call)) {
    for (const auto& argument : children(part)) {
      if (is_leaf(argument) && name < name_removed.size() && leaves < removed.size()) name_removed[name] = removed[leaves];
      leaves += count_leaves(argument);
      ++name;
    }
  }
  std::size_t next = 0;
  if (!remove_leaves(call, removed, next)) return std::nullopt;
  TrimmedSpec trimmed{root->dump(), {}};
  for (std::size_t i = 0; i < forward_names.size(); ++i) {
    if (!name_removed[i]) trimmed.forward_names.push_back(forward_names[i]);
  }
  return trimmed;
}

std::string plain_input_spec(std::size_t arguments) {
  const OrderedJson keywords{{"type", "builtins.dict"}, {"context", "[]"}, {"children_spec", OrderedJson::array()}};
  return OrderedJson{1, OrderedJson{{"type", "builtins.tuple"}, {"context", "null"}, {"children_spec", OrderedJson{tuple_of(arguments), keywords}}}}.dump();
}

std::string plain_output_spec(std::size_t outputs) { return OrderedJson{1, outputs == 1 ? leaf() : tuple_of(outputs)}.dump(); }

}  // namespace dsc::pt2
