// What a model costs: multiply-accumulates, parameters, bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "ops/channel_groups.h"
#include "ops/op_info.h"

namespace dsc {

// For one example: batch dimensions count one; other symbolic sizes as in the exported example.
struct Cost {
  double macs = 0;
  double parameters = 0;
  double bytes = 0;  // of parameters and buffers as stored
};

struct NodeCost {
  const Node* node = nullptr;
  double macs = 0;
  double parameters = 0;  // of the weights it reads that no earlier node reads
};

Cost model_cost(const Model& model);                   // with both branches of control flow
std::vector<NodeCost> node_costs(const Model& model);  // nodes with macs or parameters, in execution order

// The cost after a removal, without doing it.
class CostModel {
 public:
  CostModel(const Model& model, const ChannelGroups& groups);
  Cost after(const Extents& extents) const;
  Cost after(const Removal& removed) const { return after(groups_.extents(removed)); }

 private:
  // A weight: the product of its axes' extents, and of the sizes that stay.
  struct Product {
    double factor = 1;
    std::vector<std::int32_t> axes;
  };
  double value_of(const Product& product, const Extents& extents) const;

  const Model& model_;
  const ChannelGroups& groups_;
  std::vector<const Node*> nodes_;
  std::vector<Product> parameters_;
  std::vector<Product> bytes_;
  double batch_ = 1;
  std::string batch_symbol_;
};

}  // namespace dsc
