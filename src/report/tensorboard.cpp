#include "report/tensorboard.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "core/printed.h"
#include "core/tree.h"
#include "core/utc.h"
#include "report/csv.h"

namespace dsc {
namespace {

double start_of(const Report& report, const StepRecord& step) {
  double time = unix_time(report.started_at).value_or(0);
  for (const auto& earlier : report.steps) {
    if (earlier.index < step.index) time += earlier.seconds;
  }
  return time;
}

struct Point {
  double seconds;
  std::size_t curve, place;
};

// As they were made; those of one instant by curve.
std::vector<Point> points_of(const StepRecord& step) {
  std::vector<Point> points;
  for (std::size_t c = 0; c < step.curves.size(); ++c) {
    const auto& curve = step.curves[c];
    for (std::size_t i = 0; i < curve.values.size(); ++i) points.push_back({i < curve.seconds.size() ? curve.seconds[i] : 0, c, i});
  }
  std::ranges::stable_sort(points, {}, [](const Point& point) { return std::tuple(point.seconds, point.place, point.curve); });
  return points;
}

// TensorBoard counts steps: a point stands at the epoch that it ends, the last one of 2.5 epochs at 3.
std::int64_t whole_epoch(double epoch) { return static_cast<std::int64_t>(std::ceil(epoch)); }

EventFile curves_of(const Report& report, const StepRecord& step) {
  const auto start = start_of(report, step);
  EventFile file(start);
  for (const auto& point : points_of(step)) {
    const auto& curve = step.curves[point.curve];
    file.add_scalar(step.name + "/" + curve.name, whole_epoch(curve.epochs[point.place]), curve.values[point.place], start + point.seconds);
  }
  return file;
}

void add_rows(std::vector<std::vector<std::string>>& rows, const StepRecord& step) {
  for (const auto& curve : step.curves) {
    for (std::size_t i = 0; i < curve.values.size(); ++i) {
      rows.push_back({std::to_string(step.index), step.name, curve.name, number_text(curve.epochs[i]), number_text(curve.values[i]),
                      i < curve.seconds.size() ? printed("%.3f", curve.seconds[i]) : ""});
    }
  }
}

}  // namespace

std::string events_file(const StepRecord& step) {
  return std::string(kEventsFolder) + printed("/events.out.tfevents.%04lld-", static_cast<long long>(step.index)) + step.name;
}

std::string curve_events(const Report& report, const StepRecord& step) { return curves_of(report, step).bytes(); }

std::string step_events(const Report& report, const StepRecord& step, std::span<const NamedHistogram> histograms) {
  auto file = curves_of(report, step);
  const auto end = start_of(report, step) + step.seconds;
  const auto add = [&](const std::string& name, double value) { file.add_scalar("steps/" + name, step.index, value, end); };
  for (const auto& [metric, value] : step.metrics) add(metric, value);
  add("macs", step.macs);
  add("parameters", static_cast<double>(step.parameters));
  add("size_bytes", static_cast<double>(step.size_bytes));
  for (const auto& [tag, histogram] : histograms) file.add_histogram(tag, step.index, histogram, end);
  return file.bytes();
}

std::string curves_csv(const Report& report, const StepRecord* in_progress) {
  std::vector<std::vector<std::string>> rows{{"step", "name", "curve", "epoch", "value", "seconds"}};
  for (const auto& step : report.steps) add_rows(rows, step);
  if (in_progress) add_rows(rows, *in_progress);
  return csv_text(rows);
}

}  // namespace dsc
