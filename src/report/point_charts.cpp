// Things in a plane of two quantities: trade-offs, and layers against the roofs of a machine.
#include <algorithm>
#include <cmath>

#include "core/printed.h"
#include "report/chart_parts.h"

namespace dsc {
namespace {

using namespace chart;

std::string describe(const std::vector<Point>& points, const std::string& x_label, const std::string& y_label) {
  std::string text = std::to_string(points.size()) + " points";
  for (const auto& point : points) {
    if (point.on_front) text += printed("; %s%s%.4g, %.4g", point.label.c_str(), point.label.empty() ? "" : ": ", point.x, point.y);
  }
  return text + " (" + x_label + ", " + y_label + ")";
}

// Powers of ten, as text that people read: "0.1", "100", "1e+04".
std::string power_text(int power) { return printed("%.4g", std::pow(10, power)); }

struct LogAxis {
  int low = 0, high = 1;  // powers of ten
  double at(double value, double from, double to) const { return from + (std::log10(value) - low) / (high - low) * (to - from); }
};

LogAxis make_log_axis(double low, double high) {
  LogAxis axis{static_cast<int>(std::floor(std::log10(low))), static_cast<int>(std::ceil(std::log10(high) + 1e-9))};
  axis.high = std::max(axis.high, axis.low + 1);
  return axis;
}

std::string draw_log_axes(const LogAxis& x, const LogAxis& y) {
  const double right = kWidth - kRight, bottom = kHeight - kBottom;
  std::string svg;
  for (int power = y.low; power <= y.high; ++power) {
    const double at = y.at(std::pow(10, power), bottom, kTop);
    svg += printed("<line class=\"grid\" x1=\"%g\" y1=\"%.1f\" x2=\"%g\" y2=\"%.1f\"/>", kLeft, at, right, at) + text_at(kLeft - 6, at + 4, power_text(power), "end");
  }
  for (int power = x.low; power < x.high; ++power) svg += text_at(x.at(std::pow(10, power), kLeft, right), bottom + 18, power_text(power), "middle");
  svg += text_at(kWidth - 2, bottom + 18, power_text(x.high), "end");  // within the drawing, however long it is
  return svg + text_at(2, 12, "GMAC/s", "start") + text_at((kLeft + right) / 2, kHeight - 6, "MACs for each byte moved", "middle");
}

}  // namespace

void mark_front(std::vector<Point>& points, bool larger_y_is_better) {
  const auto better = [&](double a, double b) { return larger_y_is_better ? a > b : a < b; };
  for (auto& point : points) {
    point.on_front = std::ranges::none_of(points, [&](const Point& other) {
      return other.x <= point.x && !better(point.y, other.y) && (other.x < point.x || better(other.y, point.y));
    });
  }
}

std::string scatter_chart(const std::string& title, const std::string& x_label, const std::string& y_label, const std::vector<Point>& points, Bounds y_bounds) {
  if (points.empty()) return {};
  const auto [left, right] = std::ranges::minmax(points, {}, &Point::x);
  const auto [low, high] = std::ranges::minmax(points, {}, &Point::y);
  const Axis x = make_axis(left.x, right.x), y = make_axis(low.y, high.y, y_bounds);
  std::string others, front, line, labels;
  LabelPlaces places;
  auto in_order = points;
  std::ranges::stable_sort(in_order, {}, &Point::x);
  for (const auto& point : in_order) {
    const double px = x.x(point.x), py = y.y(point.y);
    if (point.on_front) line += printed("%.1f,%.1f ", px, py);
    (point.on_front ? front : others) += dot_at(px, py, point.on_front ? 5 : 3.5, point.on_front ? "f1" : "f0 faint", point.hover);
    if (!point.label.empty()) labels += places.put(px, py, point.label);
  }
  return open(title, describe(points, x_label, y_label)) + draw_axes(x, y, x_label, y_label) + polyline(line, "s1 dashes") + others + front + labels + kClose;
}

std::string roofline_chart(const std::string& title, const std::vector<std::string>& groups, const std::vector<RooflinePoint>& points) {
  if (points.size() < 2) return {};
  const auto [left, right] = std::ranges::minmax(points, {}, &RooflinePoint::work_per_byte);
  const auto [low, high] = std::ranges::minmax(points, {}, &RooflinePoint::work_per_second);
  double bandwidth = 0;  // the most that a layer moves
  for (const auto& point : points) bandwidth = std::max(bandwidth, point.work_per_second / point.work_per_byte);
  const auto x = make_log_axis(left.work_per_byte, right.work_per_byte), y = make_log_axis(low.work_per_second, high.work_per_second);
  const double from = std::max(std::pow(10, x.low), std::pow(10, y.low) / bandwidth), ridge = high.work_per_second / bandwidth;
  const double edge = kWidth - kRight, bottom = kHeight - kBottom;
  const auto place = [&](double a, double b) { return printed("%.1f,%.1f ", x.at(a, kLeft, edge), y.at(b, bottom, kTop)); };
  std::string dots;
  for (const auto& point : points) dots += dot_at(x.at(point.work_per_byte, kLeft, edge), y.at(point.work_per_second, bottom, kTop), 4, colour('f', point.group), point.hover);
  const auto roof = place(from, from * bandwidth) + place(ridge, high.work_per_second) + place(std::pow(10, x.high), high.work_per_second);
  return open(title, printed("%zu layers; at most %.3g GMAC/s and %.3g GB/s", points.size(), high.work_per_second, bandwidth), kHeight, legend(groups)) + draw_log_axes(x, y) +
         polyline(roof, "s7 dashes") + dots + kClose;
}

}  // namespace dsc
