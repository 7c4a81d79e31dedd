#include "pipeline/variants.h"

#include "core/printed.h"
#include "pipeline/deployed_evaluation.h"

namespace dsc {
namespace {

void add_metrics(const Metrics& metrics, bool is_first, TableRecord& table, std::vector<std::string>& row) {
  for (const auto& [name, value] : metrics) {
    if (is_first) table.columns.push_back(name);
    row.push_back(format_metric(name, value));
  }
}

void add_latencies(const Recipe& recipe, const std::vector<const Model*>& models, TableRecord& table) {
  const LatencyConfig& config = *recipe.evaluate.latency;
  std::vector<Candidate> candidates;
  for (const Model* model : models) candidates.push_back({"", model, deployment_engine(recipe)});
  const auto records = measure_candidates(candidates, {{config.batch.front()}, config.size}, latency_threads(recipe), latency_options(config));
  table.columns.push_back(printed("p50 ms of %lld", static_cast<long long>(config.batch.front())));
  for (std::size_t i = 0; i < records.size(); ++i) table.rows[i].push_back(printed("%.3f", records[i].p50_ms));
}

}  // namespace

void judge_variants(const Recipe& recipe, const PreparedRun& run, const Model& base, const std::vector<const Model*>& models, const std::string& kind,
                    TableRecord& table) {
  const bool is_judged = run.resources.find_data(Split::eval, "") != nullptr;
  for (std::size_t i = 0; is_judged && i < models.size(); ++i) {
    const auto engine = make_engine(*models[i], deployment_engine(recipe), static_cast<int>(recipe.threads));
    const std::string title = kind + " " + table.rows[i].front();
    add_metrics(evaluate_deployed_form(*engine, base, recipe, run, title).metrics, i == 0, table, table.rows[i]);
  }
  if (recipe.evaluate.latency) add_latencies(recipe, models, table);
}

}  // namespace dsc
