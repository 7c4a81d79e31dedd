#include "passes/prune/choose/latency.h"

#include <algorithm>
#include <cmath>

#include "core/fields_json.h"
#include "core/printed.h"
#include "ops/cut.h"

namespace dsc::prune {
namespace {

constexpr double kTolerance = 0.01;  // of the target

Options for_macs(const Options& options, double reduction) {
  Options changed = options;
  changed.reduce = Reduce{.macs = reduction};
  return changed;
}

}  // namespace

void LatencyPoint::fields(FieldVisitor& visit) {
  visit("macs_reduction", macs_reduction, {.text = "Share of the multiply-accumulates that was cut.", .unit = "fraction"});
  visit("latency_ms", latency_ms, {.text = "Of the cut model.", .unit = "ms"});
  visit("original_ms", original_ms, {.text = "Of the original, timed in turn.", .unit = "ms"});
}

void LatencySearch::fields(FieldVisitor& visit) {
  visit("macs_reduction", macs_reduction, {.text = "What was chosen.", .unit = "fraction"});
  visit("points", points, {.text = "What was measured."});
}

std::string to_text(const LatencySearch& search) { return dump_json(search); }
LatencySearch parse_latency_search(const std::string& text) { return parse_json<LatencySearch>(text, "search for a latency"); }

LatencySearch search_latency(double least, double most, double ratio, const std::function<LatencyPoint(double)>& measure) {
  constexpr int kMeasurements = 8;
  LatencySearch search;
  search.points.push_back(measure(most));
  if (search.points.back().ratio() > ratio * (1 + kTolerance)) {
    throw Error(ErrorCode::recipe, "a latency of " + printed("%.3f", ratio) + " of the original's cannot be reached: measured " +
                                       printed("%.3f", search.points.back().ratio()) + " with all that the limits allow to go",
                {}, "lower `reduce.latency`, or loosen min_channels, max_share, ignore and layers");
  }
  search.macs_reduction = most;
  double low = least, high = most;
  for (int i = 0; i < kMeasurements && high - low > 0.002; ++i) {
    double middle = (low + high) / 2;
    search.points.push_back(measure(middle));
    double measured = search.points.back().ratio();
    if (measured <= ratio * (1 + kTolerance)) {
      search.macs_reduction = high = middle;
      if (measured >= ratio * (1 - kTolerance)) break;
    } else {
      low = middle;
    }
  }
  return search;
}

LatencySearch find_macs_for_latency(const Model& model, const Model& original, const Options& options, const Base& base, PassContext& context,
                                    const std::vector<double>& scores) {
  double ratio = 1 - *options.reduce.latency;
  ChannelGroups groups(model);
  double most = reachable_reduction(model, groups, for_macs(options, 0), base);
  if (context.dry_run()) return {std::min(*options.reduce.latency, most), {}};  // latency taken as proportional to MACs
  double least = 1 - model_cost(model).macs / base.cost.macs;
  return search_latency(least, most, ratio, [&](double reduction) {
    context.check_cancelled();
    Model copy = model.clone();
    ChannelGroups own(copy);
    cut(copy, own, choose(copy, own, for_macs(options, reduction), base, 1, scores));
    std::vector<double> milliseconds = context.latencies_ms({&copy, &original});
    return LatencyPoint{1 - model_cost(copy).macs / base.cost.macs, milliseconds.at(0), milliseconds.at(1)};
  });
}

Table latency_table(const LatencySearch& search) {
  Table table{"latency", {"MACs reduction", "ms", "ms of the original", "ratio"}, {}};
  std::vector<LatencyPoint> points = search.points;
  std::ranges::stable_sort(points, {}, &LatencyPoint::macs_reduction);
  for (const LatencyPoint& point : points) {
    table.rows.push_back({printed("%.4f", point.macs_reduction), printed("%.4f", point.latency_ms), printed("%.4f", point.original_ms), printed("%.4f", point.ratio())});
  }
  return table;
}

}  // namespace dsc::prune
