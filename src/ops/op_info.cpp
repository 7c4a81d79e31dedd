#include "ops/op_info.h"

#include <unordered_map>

#include "ops/arguments.h"

namespace dsc {
namespace {

using OpTable = std::unordered_map<std::string_view, const OpInfo*>;

OpTable make_table() {
  OpTable table;
  for (auto family : {attention_ops, conv_ops, create_ops, elementwise_ops, index_ops, join_ops, linear_ops, norm_ops, pool_ops,
                      recurrent_ops, reduce_ops, shape_ops, view_ops}) {
    for (const OpInfo& info : family()) table.emplace(info.op, &info);
  }
  return table;
}

const OpInfo* find_named(std::string_view op) {
  static const OpTable table = make_table();
  const auto found = table.find(op);
  return found == table.end() ? nullptr : found->second;
}

const OpTraits& traits_or_none(const OpInfo* info) {
  static const OpTraits none;
  return info ? info->traits : none;
}

}  // namespace

const OpInfo* find_op_info(const Node& node) {
  const OpInfo* info = find_named(node.op());
  return info ? info : find_named(plain_op(node));
}

const OpTraits& traits_of(const Node& node) { return traits_named(node.op()); }
const OpTraits& traits_in_any_form(const Node& node) { return traits_or_none(find_op_info(node)); }
const OpTraits& traits_named(std::string_view op) { return traits_or_none(find_named(op)); }

const QuantArguments* find_quant_arguments(const Node& node) {
  const OpInfo* info = find_op_info(node);
  return info && info->op == node.op() ? info->quant : nullptr;
}

}  // namespace dsc
