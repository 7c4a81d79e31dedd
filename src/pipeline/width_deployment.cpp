#include "pipeline/width_deployment.h"

#include <list>
#include <string>

#include "core/file.h"
#include "core/log.h"
#include "core/printed.h"
#include "deploy/artifact.h"
#include "ops/cost.h"
#include "ops/widths.h"
#include "pipeline/deployed_evaluation.h"
#include "pipeline/variants.h"

namespace dsc {
namespace {

// The whole first.
std::vector<Width> all_widths(const Widths& widths) {
  std::vector<Width> all{Width{.share = 1, .norms = {}}};
  all.insert(all.end(), widths.widths.begin(), widths.widths.end());
  return all;
}

// returns: the bytes of the leanest format.
std::int64_t write_width(const Recipe& recipe, const Model& model, double share, const RunFolder& folder, Report& report) {
  std::vector<std::string> extensions{".pt2"};
  if (recipe.deploy.openvino) extensions.emplace_back(".xml");
  for (const auto& extension : extensions) {
    const std::string name = printed("widths/%g", share) + extension;
    const Artifact artifact = write_artifact(model, folder.file(name));
    report.files.push_back({name, artifact.format, artifact.size_bytes, 0, artifact.check});
  }
  folder.carry_tokenizer(tokenizer_of(recipe), printed("widths/%g", share));
  return report.files.back().size_bytes;
}

}  // namespace

void deploy_widths(const Recipe& recipe, const PreparedRun& run, const Model& base, const RunFolder& folder, Report& report) {
  const auto widths = widths_of(run.model);
  if (!widths) return;
  log_info("writing widths/");
  make_folders(folder.file("widths"));
  TableRecord table{"widths as deployed", {"width", "MACs", "parameters", "bytes"}, {}};
  std::list<Model> models;
  std::vector<const Model*> narrow;
  for (const Width& width : all_widths(*widths)) {
    narrow.push_back(&models.emplace_back(at_width(run.model, width)));
    const Cost cost = model_cost(models.back());
    const std::int64_t bytes = write_width(recipe, models.back(), width.share, folder, report);
    table.rows.push_back({printed("%g", width.share), printed("%.4g", cost.macs), printed("%.0f", cost.parameters), std::to_string(bytes)});
  }
  judge_variants(recipe, run, base, narrow, "width", table);
  report.steps.back().tables.push_back(std::move(table));
}

void rehearse_widths(const Recipe& recipe, const Model& model) {
  const auto widths = widths_of(model);
  if (!widths) return;
  for (const Width& width : widths->widths) {
    const Model narrow = at_width(model, width);
    make_engine(narrow, deployment_engine(recipe), static_cast<int>(recipe.threads));
  }
}

}  // namespace dsc
