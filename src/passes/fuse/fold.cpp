// fuse: folds batch norm into the layer before it and drops what evaluation has no use for.
//
//   before  %c = aten.conv2d(%x, w)                        after  %c = aten.conv2d(%x, w', b')
//           %b = aten.batch_norm(%c, ...)
//           %d = aten.dropout(%b, 0.5, ...)
//
// The result is the deployed form: the same outputs in evaluation, no longer what one would train on. Leaves alone: batch
// norms whose layer's output or weight has other users (noted, with the reason), modules named in `skip`.
// Source of the folding: ops/fold_batchnorm.h.
#include <algorithm>
#include <string>
#include <vector>

#include "core/names.h"
#include "dscompress/pass.h"
#include "ops/dropout.h"
#include "ops/fold_batchnorm.h"

namespace dsc {
namespace {

struct Options {
  bool batch_norm = true;
  bool dropout = true;
  bool dead_code = true;
  std::vector<std::string> skip;
  bool allow_empty = false;

  void fields(FieldVisitor& visit) {
    visit("batch_norm", batch_norm, {.text = "Fold batch norms into the convolution or linear layer before them."});
    visit("dropout", dropout, {.text = "Remove dropout."});
    visit("dead_code", dead_code, {.text = "Remove operators and tensors that no output needs."});
    visit("skip", skip, {.text = "Module globs to leave alone."});
    visit("allow_empty", allow_empty, {.text = "Accept that nothing changes."});
  }
};

bool is_skipped(const Node& node, const Options& options) {
  return std::any_of(options.skip.begin(), options.skip.end(), [&](const auto& glob) { return matches_glob(glob, node.module_path()); });
}

std::vector<Problem> check(const Model& model, const Options& options) {
  std::vector<std::string> modules;
  for (const Node* node : model.graph.nodes()) modules.push_back(node->module_path());
  std::vector<Problem> problems;
  for (std::size_t i = 0; i < options.skip.size(); ++i) {
    const bool matches = std::any_of(modules.begin(), modules.end(), [&](const auto& path) { return matches_glob(options.skip[i], path); });
    if (matches || options.allow_empty) continue;
    problems.push_back({"`" + options.skip[i] + "` matches no module", {.pointer = "/skip/" + std::to_string(i)}, suggest(options.skip[i], modules)});
  }
  return problems;
}

Table table_of(const FoldReport& report) {
  Table table{.name = "fused", .columns = {"module", "layer", "batch norm", "result"}};
  for (const FoldedPair& pair : report.folded) table.rows.push_back({pair.module, pair.layer, pair.batch_norm, "folded"});
  for (const KeptBatchNorm& kept : report.kept) table.rows.push_back({kept.module, "", kept.node, "kept: " + kept.reason});
  return table;
}

PassResult run(Model& model, const Options& options, PassContext& context) {
  if (auto problems = check(model, options); !problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  FoldReport report;
  if (options.batch_norm) {
    report = fold_batch_norms(model, [&](const Node& node) { return !is_skipped(node, options); });
  }
  const std::int64_t dropouts = options.dropout ? remove_dropout(model.graph, [&](const Node& node) { return !is_skipped(node, options); }) : 0;
  const std::size_t nodes_before = model.graph.node_count();
  std::vector<std::string> unused;
  if (options.dead_code) unused = model.graph.erase_dead_code(true);
  for (const std::string& name : unused) model.weights.erase(name);
  const auto dead = static_cast<double>(nodes_before - model.graph.node_count());

  PassResult result;
  result.statistics = {{"batch_norms_folded", static_cast<double>(report.folded.size()), ""},
                       {"batch_norms_kept", static_cast<double>(report.kept.size()), ""},
                       {"dropouts_removed", static_cast<double>(dropouts), ""},
                       {"dead_operators_removed", dead, ""},
                       {"unused_tensors_removed", static_cast<double>(unused.size()), ""}};
  for (const KeptBatchNorm& kept : report.kept) result.notes.push_back("batch norm " + kept.module + " stays: " + kept.reason);
  result.changed = !report.folded.empty() || dropouts > 0 || dead > 0 || !unused.empty();
  if (!report.folded.empty() || !report.kept.empty()) result.tables.push_back(table_of(report));
  if (!result.changed && !options.allow_empty) {
    throw Error(ErrorCode::recipe, "`fuse` finds nothing to change in this model", {},
                "remove the step, or set allow_empty: true");
  }
  return result;
}

}  // namespace

PassInfo make_fuse_fold() {
  return make_pass<Options>({.id = "fuse",
                             .summary = "Fold batch norms, remove dropout and dead code: the deployed form.",
                             .changes = {Change::weights, Change::structure},
                             .check = check},
                            run);
}

}  // namespace dsc
