#include "passes/quantize/weights/layer_inputs.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <utility>

#include "ops/arguments.h"
#include "ops/experts.h"

namespace dsc::quantize {
namespace {

bool has_patches(const QuantLayer& layer, const at::Tensor& weight) {
  const Node& node = *layer.node;
  return layer.kind == QuantKind::convolution && (weight.dim() == 3 || weight.dim() == 4) && !node.find_argument("transposed") &&
         !std::holds_alternative<std::string>(node.find_argument("padding") ? *node.find_argument("padding") : Argument{});
}

std::int64_t groups_of(const QuantLayer& layer) {
  return layer.kind == QuantKind::convolution ? int_or(*layer.node, "groups", 1) : 1;
}

// One value for each of two dimensions; a convolution of one dimension is one over rows of height 1.
std::vector<std::int64_t> pair_of(const Node& node, std::string_view name, std::int64_t otherwise, std::int64_t dims) {
  auto list = ints_or(node, name, {otherwise});
  if (dims == 1) return {otherwise, list.front()};
  if (list.size() == 1) list.push_back(list.front());
  return list;
}

// Over the rows of each group: [G, rows, K].
struct RowSums {
  explicit RowSums(const at::Tensor& rows)
      : gram(rows.transpose(1, 2).bmm(rows).to(at::kCPU, at::kDouble)), sum(rows.sum(1).to(at::kCPU, at::kDouble)),
        magnitude(rows.abs().sum(1).to(at::kCPU, at::kDouble)), largest(rows.abs().amax(1).to(at::kCPU, at::kDouble)) {}
  at::Tensor gram, sum, magnitude, largest;
};

// Collects moments while a network runs.
class MomentSums {
 public:
  explicit MomentSums(const Model& model) : model_(model) {}

  void watch(Node* node) {
    const auto layer = find_quant_layer(model_.graph, node);
    if (!layer || !layer->weight() || !weight_matrix(*layer, weight_of(*layer))) return;
    const Value* input = find_layer_input(model_.graph, *layer);
    if (!input) return;
    if (layer->kind == QuantKind::linear) {  // the same rows as another's, where both read the same value
      const auto same =
          std::ranges::find_if(readers_, [&](const Reader& reader) { return reader.layer.kind == QuantKind::linear && reader.input == input; });
      if (same != readers_.end()) {
        same_rows_.emplace_back(node->name(), same->layer.node->name());
        return;
      }
    }
    const auto experts = layer->kind == QuantKind::experts ? find_expert_layer(model_.graph, node) : std::nullopt;
    readers_.push_back({*layer, input, experts ? experts->experts : nullptr, {}, {}});
    const at::Tensor matrix = *weight_matrix(*layer, weight_of(*layer));
    const std::int64_t groups = matrix.size(0), width = matrix.size(2);
    const auto none = [](at::IntArrayRef sizes) { return at::zeros(sizes, at::kDouble); };
    moments_.insert_or_assign(node->name(), InputMoments{none({groups, width, width}), none({groups, width}), none({groups, width}), none({groups, width})});
    for (const Value* value : {input, readers_.back().experts}) {
      if (value && std::ranges::find(values_, value) == values_.end()) values_.push_back(value);
    }
  }

  const std::vector<const Value*>& values() const { return values_; }

  void see(const Value& value, const at::Tensor& tensor) {
    for (Reader& reader : readers_) {
      if (reader.input == &value) reader.rows = tensor.to(at::kFloat);
      if (reader.experts == &value) reader.ids = tensor.reshape({-1});
      if (!reader.rows.defined() || (reader.experts && !reader.ids.defined())) continue;
      if (reader.experts) add_experts(reader);
      else add(reader);
      reader.rows = at::Tensor();
      reader.ids = at::Tensor();
    }
  }

  // Those of the samples that all ranks saw. Layers that no row came to have none.
  std::map<std::string, InputMoments> means(Ranks& ranks) {
    if (!ranks.is_alone()) share(ranks);
    std::erase_if(moments_, [](const auto& entry) { return entry.second.rows == 0; });
    for (auto& [name, m] : moments_) {
      const double share = 1.0 / static_cast<double>(m.rows);
      m.gram = m.gram * share;
      m.mean = m.mean * share;
      m.magnitude = m.magnitude * share;
    }
    for (const auto& [name, other] : same_rows_) {
      if (const auto found = moments_.find(other); found != moments_.end()) moments_.insert_or_assign(name, found->second);
    }
    return std::move(moments_);
  }

 private:
  struct Reader {
    QuantLayer layer;
    const Value* input = nullptr;
    const Value* experts = nullptr;  // which expert each row goes to
    at::Tensor rows, ids;            // of the run
  };

  void share(Ranks& ranks) {
    for (auto& [name, m] : moments_) {
      const at::Tensor rows = at::scalar_tensor(m.rows, at::kLong);
      ranks.sum({m.gram, m.mean, m.magnitude, rows});
      ranks.take_largest(m.largest);
      m.rows = rows.item<std::int64_t>();
    }
  }

  const at::Tensor& weight_of(const QuantLayer& layer) const { return model_.weights.get(model_.graph.find_input(value_of(*layer.weight()))->target); }

  void add(const Reader& reader) {
    const at::Tensor rows = input_rows(reader.layer, reader.rows, weight_of(reader.layer));
    const RowSums sums(rows);
    InputMoments& m = moments_.at(reader.layer.node->name());
    m.gram.add_(sums.gram);
    m.mean.add_(sums.sum);
    m.magnitude.add_(sums.magnitude);
    m.largest = at::maximum(m.largest, sums.largest);
    m.rows += rows.size(1);
  }

  void add_experts(const Reader& reader) {
    const std::int64_t experts = weight_of(reader.layer).size(0), width = weight_of(reader.layer).size(2);
    const at::Tensor rows = reader.rows.reshape({-1, width});
    InputMoments& m = moments_.at(reader.layer.node->name());
    for (std::int64_t expert = 0; expert < experts; ++expert) {
      const at::Tensor own = rows.index_select(0, (reader.ids == expert).nonzero().flatten());
      if (own.size(0) == 0) continue;
      const RowSums sums(own.unsqueeze(0));
      m.gram[expert].add_(sums.gram[0]);
      m.mean[expert].add_(sums.sum[0]);
      m.magnitude[expert].add_(sums.magnitude[0]);
      m.largest[expert].copy_(at::maximum(m.largest[expert], sums.largest[0]));
    }
    m.rows += rows.size(0);
  }

  const Model& model_;
  std::vector<Reader> readers_;
  std::vector<std::pair<std::string, std::string>> same_rows_;  // a layer, and the one that has the moments of its rows too
  std::vector<const Value*> values_;
  std::map<std::string, InputMoments> moments_;
};

}  // namespace

const Value* find_layer_input(const Graph& graph, const QuantLayer& layer) {
  if (layer.kind == QuantKind::experts) {
    const auto experts = find_expert_layer(graph, layer.node);
    return experts && experts->outputs_first ? experts->input : nullptr;
  }
  if (layer.activations.empty()) return nullptr;
  const Use use = layer.activations.front().use;
  return value_of(use);
}

std::optional<at::Tensor> weight_matrix(const QuantLayer& layer, const at::Tensor& weight) {
  if (layer.kind == QuantKind::experts && weight.dim() == 3) return weight;
  if (layer.kind == QuantKind::linear && weight.dim() == 2) return (layer.channel_axis == 0 ? weight : weight.t()).unsqueeze(0);
  if (!has_patches(layer, weight)) return std::nullopt;
  const std::int64_t groups = groups_of(layer);
  return weight.contiguous().view({groups, weight.size(0) / groups, -1});
}

at::Tensor weight_from_matrix(const QuantLayer& layer, const at::Tensor& matrix, const at::Tensor& weight) {
  if (layer.kind == QuantKind::linear) return (layer.channel_axis == 0 ? matrix[0] : matrix[0].t()).to(weight.scalar_type()).contiguous();
  return matrix.reshape(weight.sizes()).to(weight.scalar_type()).contiguous();
}

at::Tensor input_rows(const QuantLayer& layer, const at::Tensor& input, const at::Tensor& weight) {
  if (layer.kind == QuantKind::linear) return input.reshape({1, -1, input.size(-1)});
  const std::int64_t dims = weight.dim() - 2, groups = groups_of(layer);
  const at::Tensor image = dims == 1 ? input.unsqueeze(2) : input;
  const std::vector<std::int64_t> kernel = dims == 1 ? std::vector<std::int64_t>{1, weight.size(2)} : std::vector{weight.size(2), weight.size(3)};
  const Node& node = *layer.node;
  const at::Tensor patches = at::im2col(image, kernel, pair_of(node, "dilation", 1, dims), pair_of(node, "padding", 0, dims),
                                        pair_of(node, "stride", 1, dims));  // [N, C * kernel, positions]
  return patches.view({patches.size(0), groups, patches.size(1) / groups, patches.size(2)}).permute({1, 0, 3, 2}).reshape({groups, -1, patches.size(1) / groups});
}

std::map<std::string, InputMoments> find_input_moments(const Model& model, const std::vector<Node*>& layers, SampleWalk& walk, Advance advance) {
  MomentSums sums(model);
  for (Node* node : layers) sums.watch(node);
  const auto see = [&](const Value& value, const at::Tensor& tensor) { sums.see(value, tensor.detach()); };
  if (advance == Advance::yes) walk.advance(sums.values(), see);
  else walk.run(sums.values(), see);
  return sums.means(walk.ranks());
}

}  // namespace dsc::quantize
