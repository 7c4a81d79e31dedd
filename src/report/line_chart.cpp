// Curves over one axis.
#include <algorithm>
#include <cmath>

#include "core/printed.h"
#include "report/chart_parts.h"

namespace dsc {
namespace {

using namespace chart;

std::string draw_dots(const Series& series, const Axis& x, const Axis& y, const std::string& fill) {
  std::string svg;
  for (std::size_t k = 0; k < series.x.size(); ++k) {
    if (std::isfinite(series.y[k])) svg += dot_at(x.x(series.x[k]), y.y(series.y[k]), 4, fill, k < series.hover.size() ? series.hover[k] : "");
  }
  return svg;
}

// The points of a series that can be drawn; where one is alone between gaps, a dot, since a line needs two.
std::string draw_line(const Series& series, const Axis& x, const Axis& y, std::size_t index) {
  std::string svg, line;
  std::size_t length = 0;
  double last_x = 0, last_y = 0;
  const auto finish = [&] {
    if (length == 1) svg += dot_at(last_x, last_y, 3, colour('f', index));
    if (length > 1) svg += polyline(line, colour('s', index) + (series.mark == Mark::dashes ? " dashes" : ""));
    line.clear();
    length = 0;
  };
  for (std::size_t k = 0; k < series.x.size(); ++k) {
    if (!std::isfinite(series.y[k])) {
      finish();
      continue;
    }
    last_x = x.x(series.x[k]);
    last_y = y.y(series.y[k]);
    line += printed("%.1f,%.1f ", last_x, last_y);
    ++length;
  }
  finish();
  return svg;
}

// "top1 from 0.61 to 0.9": what a line says in one sentence.
std::string describe(const std::vector<Series>& series) {
  std::string text;
  for (const auto& one : series) {
    std::vector<double> values;
    std::ranges::copy_if(one.y, std::back_inserter(values), [](double y) { return std::isfinite(y); });
    if (!values.empty()) text += (text.empty() ? "" : "; ") + one.name + printed(" from %.4g to %.4g", values.front(), values.back());
  }
  return text;
}

}  // namespace

std::string line_chart(const std::string& title, const std::string& x_label, const std::vector<Series>& series, Bounds y_bounds) {
  double x_low = 0, x_high = 0, y_low = 1e300, y_high = -1e300;
  std::vector<std::string> names;
  for (const auto& one : series) {
    names.push_back(one.name);
    for (const double x : one.x) x_high = std::max(x_high, x);
    for (const double y : one.y) {
      if (!std::isfinite(y)) continue;
      y_low = std::min(y_low, y);
      y_high = std::max(y_high, y);
    }
  }
  if (y_low > y_high) return {};
  const Axis x = make_axis(x_low, x_high), y = make_axis(y_low, y_high, y_bounds);
  std::string svg = open(title, describe(series), kHeight, series.size() > 1 ? legend(names) : "") + draw_axes(x, y, x_label);
  for (std::size_t i = 0; i < series.size(); ++i) svg += series[i].mark == Mark::dots ? draw_dots(series[i], x, y, colour('f', i)) : draw_line(series[i], x, y, i);
  return svg + kClose;
}

}  // namespace dsc
