// sweep.html: one file that opens offline.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <sstream>

#include "core/log.h"
#include "core/printed.h"
#include "report/html_page.h"
#include "report/charts.h"
#include "report/sweep_report.h"

namespace dsc {
namespace {

constexpr std::size_t kMostRows = 500;      // of the table; trials.csv has all
constexpr std::size_t kMostLines = 1000;    // of parallel coordinates, beside the front
constexpr std::size_t kMostHovers = 2000;   // beyond, only the front tells what it is: the page stays below 5 MB with 10,000 trials

std::string hover_of(const SweepReport& report, const SweepTrial& trial) {
  std::string text = "trial " + std::to_string(trial.number);
  for (std::size_t p = 0; p < report.parameters.size(); ++p) text += "\n" + report.parameters[p] + " = " + trial.values[p];
  for (const auto& objective : report.objectives) {
    if (const auto found = trial.figures.find(objective.name); found != trial.figures.end()) text += "\n" + objective.name + ": " + format_figure(objective.name, found->second);
  }
  for (const auto& violation : trial.violations) text += "\n" + violation;
  return text;
}

void write_scatter(std::ostream& out, const SweepReport& report, const std::vector<std::size_t>& front, const std::string& x, const std::string& y) {
  std::vector<Point> points;
  double largest_x = 0, largest_y = 0;
  for (std::size_t i = 0; i < report.trials.size(); ++i) {
    const auto& trial = report.trials[i];
    const auto at_x = trial.figures.find(x), at_y = trial.figures.find(y);
    if (trial.status != "complete" || at_x == trial.figures.end() || at_y == trial.figures.end()) continue;
    const bool on_front = std::ranges::binary_search(front, i);
    points.push_back({at_x->second, at_y->second, on_front || report.trials.size() <= kMostHovers ? hover_of(report, trial) : "", on_front});
    largest_x = std::max(largest_x, at_x->second);
    largest_y = std::max(largest_y, at_y->second);
  }
  const auto scale_x = scale_of(x, largest_x), scale_y = scale_of(y, largest_y);
  for (auto& point : points) {
    point.x *= scale_x.factor;
    point.y *= scale_y.factor;
  }
  out << scatter_chart(y + " against " + x, scale_x.label, scale_y.label, points);
}

void write_fronts(std::ostream& out, const SweepReport& report, const std::vector<std::size_t>& front) {
  if (report.objectives.size() < 2) return;
  out << "<h2>Pareto front</h2>\n<p>Each dot is a trial; those on the front of all objectives are joined. Hover over one to see what it is.</p>\n";
  for (std::size_t a = 0; a < report.objectives.size(); ++a) {
    for (std::size_t b = a + 1; b < report.objectives.size(); ++b) {
      // What is cheap lies on the x axis, what is good on the y axis.
      const bool swapped = report.objectives[a].maximize && !report.objectives[b].maximize;
      write_scatter(out, report, front, report.objectives[swapped ? b : a].name, report.objectives[swapped ? a : b].name);
    }
  }
  out << '\n';
}

void write_importance(std::ostream& out, const SweepReport& report) {
  out << "<h2>What matters</h2>\n<p>The share of an objective's variance over the trials that a parameter explains by itself.</p>\n";
  for (const auto& objective : report.objectives) {
    const auto shares = parameter_importance(report, objective.name);
    std::vector<Bar> bars;
    for (std::size_t p = 0; p < shares.size(); ++p) bars.push_back({report.parameters[p], shares[p], printed("%.0f %%", 100 * shares[p])});
    std::ranges::stable_sort(bars, std::greater{}, &Bar::value);
    out << bar_chart(objective.name, bars);
  }
  out << '\n';
}

// Where each trial's value lies on an axis of its own: numbers between the smallest and the largest, others in alphabetical order.
struct ParallelColumn {
  ParallelAxis axis;
  std::vector<double> heights;  // by trial
};

ParallelColumn column_of_numbers(const std::string& label, const std::vector<double>& values, const std::function<std::string(double)>& text) {
  ParallelColumn column{.axis = {.label = label, .ticks = {}}, .heights = values};
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (!(low <= high)) return column;
  for (double& height : column.heights) height = high > low ? (height - low) / (high - low) : height - low + 0.5;
  column.axis.ticks = high > low ? std::vector<std::pair<double, std::string>>{{0, text(low)}, {1, text(high)}} : std::vector<std::pair<double, std::string>>{{0.5, text(low)}};
  return column;
}

ParallelColumn column_of_parameter(const SweepReport& report, std::size_t parameter) {
  std::set<std::string> kinds;
  std::vector<double> numbers;
  for (const auto& trial : report.trials) {
    const auto& value = trial.values[parameter];
    if (!value.empty()) kinds.insert(value);
    numbers.push_back(is_numeric(value) ? std::strtod(value.c_str(), nullptr) : std::nan(""));
  }
  if (std::ranges::all_of(kinds, is_numeric)) return column_of_numbers(report.parameters[parameter], numbers, [](double value) { return printed("%.4g", value); });
  ParallelColumn column{.axis = {.label = report.parameters[parameter], .ticks = {}}, .heights = {}};
  constexpr std::size_t kMostTicks = 12, kLongest = 18;
  const auto height_of = [&](const std::string& value) { return kinds.size() < 2 ? 0.5 : static_cast<double>(std::distance(kinds.begin(), kinds.find(value))) / static_cast<double>(kinds.size() - 1); };
  for (const auto& kind : kinds) {
    if (kinds.size() <= kMostTicks) column.axis.ticks.emplace_back(height_of(kind), kind.size() <= kLongest ? kind : kind.substr(0, kLongest) + "…");
  }
  for (const auto& trial : report.trials) column.heights.push_back(trial.values[parameter].empty() ? std::nan("") : height_of(trial.values[parameter]));
  return column;
}

void write_parallel(std::ostream& out, const SweepReport& report, const std::vector<std::size_t>& front) {
  std::vector<ParallelColumn> columns;
  for (std::size_t p = 0; p < report.parameters.size(); ++p) columns.push_back(column_of_parameter(report, p));
  for (const auto& objective : report.objectives) {
    std::vector<double> values;
    for (const auto& trial : report.trials) {
      const auto found = trial.figures.find(objective.name);
      values.push_back(found == trial.figures.end() ? std::nan("") : found->second);
    }
    columns.push_back(column_of_numbers(objective.name, values, [&](double value) { return format_figure(objective.name, value); }));
  }
  std::vector<ParallelAxis> axes;
  for (const auto& column : columns) axes.push_back(column.axis);
  const std::size_t every = report.trials.size() / kMostLines + 1;
  std::vector<ParallelLine> lines;
  for (std::size_t i = 0; i < report.trials.size(); ++i) {
    const bool on_front = std::ranges::binary_search(front, i);
    if (report.trials[i].status != "complete" || (!on_front && i % every != 0)) continue;
    ParallelLine line{.heights = {}, .hover = hover_of(report, report.trials[i]), .on_front = on_front};
    for (const auto& column : columns) line.heights.push_back(column.heights[i]);
    lines.push_back(std::move(line));
  }
  const auto chart = parallel_chart("parameters and objectives", axes, lines);
  if (chart.empty()) return;
  out << "<h2>Parallel coordinates</h2>\n<p>A line is a trial; those on the front stand out." << (every > 1 ? " Of the others every " + std::to_string(every) + "th is shown." : "") << "</p>\n" << chart << '\n';
}

// Each objective against each parameter that is a number.
void write_slices(std::ostream& out, const SweepReport& report, const std::vector<std::size_t>& front) {
  out << "<h2>Slices</h2>\n";
  for (std::size_t p = 0; p < report.parameters.size(); ++p) {
    const bool numbers = std::ranges::all_of(report.trials, [&](const SweepTrial& trial) { return is_numeric(trial.values[p]); });
    if (!numbers || report.trials.size() > kMostHovers) continue;
    for (const auto& objective : report.objectives) {
      std::vector<Point> points;
      double largest = 0;
      for (std::size_t i = 0; i < report.trials.size(); ++i) {
        const auto& trial = report.trials[i];
        const auto found = trial.figures.find(objective.name);
        if (trial.status != "complete" || found == trial.figures.end()) continue;
        points.push_back({std::strtod(trial.values[p].c_str(), nullptr), found->second, hover_of(report, trial), false});
        if (std::ranges::binary_search(front, i)) points.back().hover += "\non the front";
        largest = std::max(largest, found->second);
      }
      const auto scale = scale_of(objective.name, largest);
      for (auto& point : points) point.y *= scale.factor;
      out << scatter_chart(objective.name + " against " + report.parameters[p], report.parameters[p], scale.label, points);
    }
  }
  out << '\n';
}

void write_trials(std::ostream& out, const SweepReport& report, const std::vector<std::size_t>& front) {
  auto shown = front;
  for (std::size_t i = 0; i < report.trials.size(); ++i) {
    if (!std::ranges::binary_search(front, i)) shown.push_back(i);
  }
  out << "<h2>Trials</h2>\n<p>The front (marked *) first";
  if (shown.size() > kMostRows) {
    out << "; " << shown.size() - kMostRows << " more are in trials.csv";
    shown.resize(kMostRows);
  }
  out << ".</p>\n";
  const auto rows = sweep_table(report, shown);
  html::write_table(out, "Trials", rows.front(), {rows.begin() + 1, rows.end()});
}

}  // namespace

std::string sweep_html(const SweepReport& report) {
  std::ostringstream out;
  const auto front = pareto_front(report);
  out << html::head(report.name) << "<h1>" << escape_xml(report.name) << "</h1>\n<p>" << sweep_summary(report) << ". Recipe " << escape_xml(report.recipe) << ", method "
      << escape_xml(report.method) << ", started " << escape_xml(report.started_at) << ".</p>\n<div class=\"cards\">";
  for (const auto& objective : report.objectives) {
    const SweepTrial* best = nullptr;
    const auto better = [&](const SweepTrial& trial) {
      const double a = trial.figures.at(objective.name), b = best->figures.at(objective.name);
      return objective.maximize ? a > b : a < b;
    };
    for (const auto i : front) {
      if (!best || better(report.trials[i])) best = &report.trials[i];
    }
    if (best) html::write_card(out, "best " + objective.name, format_figure(objective.name, best->figures.at(objective.name)), "trial " + std::to_string(best->number));
  }
  out << "</div>\n";
  for (const auto& note : report.notes) out << "<p>" << escape_xml(note) << "</p>\n";
  write_fronts(out, report, front);
  write_parallel(out, report, front);
  write_importance(out, report);
  write_slices(out, report, front);
  write_trials(out, report, front);
  out << html::kEnd;
  return std::move(out).str();
}

}  // namespace dsc
