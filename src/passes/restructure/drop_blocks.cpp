// drop_blocks: makes a network shallower by whole residual blocks or encoder layers.
//
//   before  %y = block(%x), a residual block            after  users of %y read %x
//
// Blocks are found from the graph (residual.h) and go by name, all but those of some numbers, or the least important first:
// `keep: [0, 2, 4]` makes a student of three layers out of its teacher. Importance: `influence`, how
// far the block turns its input, 1 - mean cosine(input, output) over data (Men et al. 2024, arXiv:2403.03853); `ablation`,
// the metric lost on the valid split without the block. Leaves alone: blocks that change the shape.
// Order: before quantisation; usually followed by `finetune` or `distill`.
#include <ATen/core/Tensor.h>
#include <ATen/ops/cosine_similarity.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/printed.h"
#include "core/random.h"
#include "data/dataset.h"
#include "dscompress/pass.h"
#include "exec/executor.h"
#include "ops/cost.h"
#include "ops/residual.h"
#include "passes/restructure/rewrite.h"
#include "train/monitor.h"

namespace dsc {
namespace {

using namespace restructure;

enum class BlockImportance : std::uint8_t { influence, ablation };
std::span<const std::string_view> enum_names(BlockImportance) {
  static constexpr std::array<std::string_view, 2> kNames{"influence", "ablation"};
  return kNames;
}

struct Options {
  std::vector<std::string> blocks;
  std::vector<std::int64_t> keep;
  std::optional<std::int64_t> count;
  std::optional<double> macs;
  BlockImportance importance = BlockImportance::influence;
  std::vector<std::string> skip;
  std::int64_t examples = 512;

  void fields(FieldVisitor& visit) {
    visit("blocks", blocks, {.text = "Globs of the blocks that go, by name."});
    visit("keep", keep, {.text = "Numbers of the blocks that stay, counted from 0; all others go.", .minimum = 0});
    visit("count", count, {.text = "How many blocks go, the least important first.", .minimum = 1});
    visit("macs", macs, {.text = "Share of the multiply-accumulates that goes at least, the least important blocks first.", .unit = "fraction", .minimum = 0, .maximum = 0.99});
    visit("importance", importance, {.text = "What makes a block matter."});
    visit("skip", skip, {.text = "Globs of blocks that stay."});
    visit("examples", examples, {.text = "Examples to measure importance on; 0: all.", .minimum = 0});
    visit.one_of("drop_blocks", {{"blocks", !blocks.empty()}, {"keep", !keep.empty()}, {"count", count.has_value()}, {"macs", macs.has_value()}});
  }
  // Whether the recipe says which ones go, so that nothing is measured.
  bool is_named() const { return !blocks.empty() || !keep.empty(); }
};

bool keeps(const Options& options, std::size_t number) { return std::ranges::find(options.keep, static_cast<std::int64_t>(number)) != options.keep.end(); }

std::vector<ResidualBlock> candidates_of(const Model& model, const Options& options) {
  std::vector<ResidualBlock> found = find_residual_blocks(model.graph), blocks;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!keeps(options, i) && is_selected(found[i].name, options.blocks, options.skip)) blocks.push_back(found[i]);
  }
  return blocks;
}

Model without(const Model& model, const std::vector<ResidualBlock>& blocks) {
  Model copy = model.clone();
  drop_blocks(copy.graph, blocks);
  for (const std::string& name : copy.graph.erase_dead_code(true)) copy.weights.erase(name);
  return copy;
}

// 1 - mean cosine between each example's input and output of the block.
std::vector<double> influences(const Model& model, const std::vector<ResidualBlock>& blocks, const Options& options, PassContext& context) {
  c10::NoGradGuard no_grad;
  std::vector<const Value*> values;
  for (const ResidualBlock& block : blocks) {
    for (const std::string& name : {block.input, block.output}) values.push_back(model.graph.find_value(name));
  }
  std::vector<double> sums(blocks.size(), 0);
  double examples = 0;
  Executor executor(model, {.device = context.device()});
  Split split = context.has_data(Split::calibration) ? Split::calibration : Split::train;
  BatchLoader loader(context.data(split), {.batch = 64, .shuffle = true, .seed = derive_seed(context.seed(), "drop_blocks"), .limit = options.examples});
  while (std::optional<Batch> batch = loader.next()) {
    context.check_cancelled();
    std::map<std::string, at::Tensor> seen;
    executor.run(batch->inputs, values, [&](const Value& value, const at::Tensor& tensor) { seen[value.name()] = tensor.detach().clone(); });
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      at::Tensor x = seen.at(blocks[i].input).flatten(1).to(at::kFloat), y = seen.at(blocks[i].output).flatten(1).to(at::kFloat);
      sums[i] += (1 - at::cosine_similarity(x, y, 1)).sum().item<double>();
    }
    examples += static_cast<double>(batch->indices.size());
  }
  for (double& sum : sums) sum /= examples;
  return sums;
}

std::vector<double> ablation_losses(const Model& model, const std::vector<ResidualBlock>& blocks, const Options& options, PassContext& context) {
  Metrics base = context.evaluate(model, Split::valid, options.examples);
  std::string metric = choose_deciding_metric(base, "importance: ablation");
  std::vector<double> losses;
  for (const ResidualBlock& block : blocks) {
    context.check_cancelled();
    double value = context.evaluate(without(model, {block}), Split::valid, options.examples).at(metric);
    losses.push_back(fall_of(metric, base.at(metric), value));
    context.progress("blocks", static_cast<std::int64_t>(losses.size()), static_cast<std::int64_t>(blocks.size()));
  }
  return losses;
}

// Of each block; zeros in a rehearsal and when names decide.
std::vector<double> measure(Model& model, const std::vector<ResidualBlock>& blocks, const Options& options, PassContext& context) {
  if (options.is_named()) return std::vector<double>(blocks.size(), 0);
  bool by_ablation = options.importance == BlockImportance::ablation;
  if (by_ablation && !context.has_data(Split::valid)) {
    throw Error(ErrorCode::recipe, "importance: ablation needs a validation split, and the recipe has none", {.pointer = "/importance"},
                "add data.valid, or use importance: influence");
  }
  if (by_ablation && context.dry_run()) choose_deciding_metric(context.evaluate(model, Split::valid, 1), "importance: ablation");
  if (context.dry_run()) return std::vector<double>(blocks.size(), 0);
  return nlohmann::json::parse(context.stage("importance", model, [&] {
    return nlohmann::json(by_ablation ? ablation_losses(model, blocks, options, context) : influences(model, blocks, options, context)).dump();
  })).get<std::vector<double>>();
}

bool is_enough(const Model& model, const std::vector<ResidualBlock>& gone, double base_macs, const Options& options) {
  if (options.count) return static_cast<std::int64_t>(gone.size()) >= *options.count;
  return options.macs && model_cost(without(model, gone)).macs <= base_macs * (1 - *options.macs);
}

std::vector<Problem> check(const Model& model, const Options& options) {
  std::vector<std::string> names;
  for (const ResidualBlock& block : find_residual_blocks(model.graph)) names.push_back(block.name);
  if (names.empty()) return {{"the model has no residual block whose output could be replaced by its input", {}, "remove this step"}};
  std::vector<Problem> problems = check_patterns(options.blocks, "blocks", names);
  for (Problem& problem : check_patterns(options.skip, "skip", names)) problems.push_back(std::move(problem));
  for (std::size_t i = 0; i < options.keep.size(); ++i) {
    if (options.keep[i] < static_cast<std::int64_t>(names.size())) continue;
    problems.push_back({"there is no block " + std::to_string(options.keep[i]) + ": the model has " + std::to_string(names.size()) + ", counted from 0 (" + names.front() + ")",
                        {.pointer = "/keep/" + std::to_string(i)}, "see dscompress inspect MODEL --modules"});
  }
  if (!problems.empty()) return problems;
  std::vector<ResidualBlock> blocks = candidates_of(model, options);
  if (blocks.empty()) problems.push_back({"`keep` names every block: none would go", {.pointer = "/keep"}, "leave some out"});
  if (options.count && *options.count > static_cast<std::int64_t>(blocks.size())) {
    problems.push_back({"`count` " + std::to_string(*options.count) + " is more than the " + std::to_string(blocks.size()) + " blocks that may go", {.pointer = "/count"}, ""});
  }
  double base = model_cost(model).macs;
  if (options.macs && !is_enough(model, blocks, base, options)) {
    problems.push_back({printed("a reduction of %.3f cannot be reached: all blocks together are %.3f", *options.macs,
                                1 - model_cost(without(model, blocks)).macs / base),
                        {.pointer = "/macs"}, "lower `macs`, or add a prune step"});
  }
  return problems;
}

PassResult run(Model& model, const Options& options, PassContext& context) {
  if (auto problems = check(model, options); !problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  std::vector<ResidualBlock> blocks = candidates_of(model, options);
  std::vector<double> scores = measure(model, blocks, options, context);
  std::vector<std::size_t> order(blocks.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return scores[i]; });
  const Cost before = model_cost(model);
  std::vector<ResidualBlock> gone;
  std::vector<bool> is_gone(blocks.size(), false);
  for (std::size_t i : order) {
    if (is_enough(model, gone, before.macs, options)) break;
    gone.push_back(blocks[i]);
    is_gone[i] = true;
  }
  model = without(model, gone);
  PassResult result{.changed = true};
  Table table{"blocks", {"block", "importance", ""}, {}};
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    table.rows.push_back({blocks[i].name, options.is_named() ? "named" : printed("%.5g", scores[i]), is_gone[i] ? "dropped" : "kept"});
  }
  result.statistics = statistics_of("blocks_dropped", gone.size(), before, model_cost(model));
  result.tables.push_back(std::move(table));
  return result;
}

std::vector<Need> needs_of(const Options& options) {
  bool measures = !options.is_named() && options.importance == BlockImportance::influence;
  return measures ? std::vector<Need>{Need::calibration_data} : std::vector<Need>{};
}

}  // namespace

PassInfo make_restructure_drop_blocks() {
  return make_pass<Options>({.id = "drop_blocks",
                             .summary = "Removes whole residual blocks or encoder layers.",
                             .changes = {Change::weights, Change::structure},
                             .needs_of = needs_of,
                             .check = check},
                            run);
}

}  // namespace dsc
