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

}  // namespace

const OpInfo* find_op_info(const Node& node) {
  static const OpTable table = make_table();
  auto found = table.find(node.op());
  if (found == table.end()) found = table.find(plain_op(node));
  return found == table.end() ? nullptr : found->second;
}

const OpTraits& traits_of(const Node& node) {
  static const OpTraits none;
  const OpInfo* info = find_op_info(node);
  return info && info->op == node.op() ? info->traits : none;
}

const QuantArguments* find_quant_arguments(const Node& node) {
  const OpInfo* info = find_op_info(node);
  return info && info->op == node.op() ? info->quant : nullptr;
}

}  // namespace dsc
