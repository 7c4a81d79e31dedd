// Low-rank adapters: beside a layer's frozen weight W a trained product B A of small rank, which folds back into W.
//
//   y = layer(x, W, b) + alpha / rank * B(A(x))        afterwards  W + alpha / rank * B A
//
// Of linear layers and of convolutions (A has the kernel, B is 1x1). The adapters live in a copy of the graph, for a
// training; the model's own graph and file keep their structure.
// source: Hu et al. 2021, arXiv:2106.09685, section 4.1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dscompress/fields.h"
#include "train/train.h"

namespace dsc {

struct LoraOptions {
  std::int64_t rank = 8;
  double alpha = 16;
  std::vector<std::string> select = {"**"};
  std::vector<std::string> also;
  void fields(FieldVisitor& visit);
};

struct Adapter {
  std::string weight, a, b;  // names in Weights
  double scale = 1;
};

// Layers that can carry an adapter and are selected, by the names of their weights.
std::vector<std::string> adaptable_weights(const Model& model, const LoraOptions& options);

// Puts adapters into the graph; A is uniform as a linear layer's weight, B zero, so that nothing changes yet.
std::vector<Adapter> add_adapters(Model& model, const LoraOptions& options, std::uint64_t seed);

// Writes W + scale * B A of the adapted model into `model`, and every other weight that both have.
void fold_adapters(const Model& adapted, const std::vector<Adapter>& adapters, Model& model);

// As train(), of adapters and of what `options.also` names; the model gets the folded weights.
TrainResult train_adapters(Model& model, const LoraOptions& lora, const TrainOptions& options, const Objective& objective,
                           TrainHooks hooks, PassContext& context);

std::vector<Problem> check_lora(const Model& model, const LoraOptions& options);

}  // namespace dsc
