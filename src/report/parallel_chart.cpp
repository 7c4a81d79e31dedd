// Parallel coordinates.
#include <algorithm>
#include <cmath>

#include "core/printed.h"
#include "report/chart_parts.h"

namespace dsc {
namespace {

using namespace chart;

constexpr double kSide = 12, kBottomOfAxes = kHeight - 24;

// Axes are numbered, and the numbers explained in HTML: names of parameters are long.
std::string explain(const std::vector<ParallelAxis>& axes) {
  std::string html = "<ol class=\"legend\">";
  for (std::size_t a = 0; a < axes.size(); ++a) html += "<li><b>" + std::to_string(a + 1) + "</b> " + escape_xml(axes[a].label) + "</li>";
  return html + "</ol>";
}

double at_y(double height) { return kBottomOfAxes - height * (kBottomOfAxes - kTop); }

std::string draw_axis(const ParallelAxis& axis, std::size_t index, double x, bool is_last, double room) {
  std::string svg = printed("<line class=\"grid\" x1=\"%.1f\" y1=\"%g\" x2=\"%.1f\" y2=\"%g\"/>", x, kTop, x, kBottomOfAxes);
  for (const auto& [height, text] : axis.ticks) {
    svg += text_at(x + (is_last ? -4 : 4), at_y(height) + 4, shortened(text, static_cast<std::size_t>(std::max(3.0, room / kCharacter))), is_last ? "end" : "start");
  }
  return svg + text_at(x, kHeight - 6, std::to_string(index + 1), "middle");
}

}  // namespace

std::string parallel_chart(const std::string& title, const std::vector<ParallelAxis>& axes, const std::vector<ParallelLine>& lines) {
  if (axes.size() < 2 || lines.empty()) return {};
  const double gap = (kWidth - 2 * kSide) / static_cast<double>(axes.size() - 1);
  const auto at_x = [&](std::size_t axis) { return kSide + gap * static_cast<double>(axis); };
  const auto draw = [&](const ParallelLine& line) {
    std::string path;
    bool drawing = false;
    for (std::size_t a = 0; a < axes.size(); ++a) {
      const bool has = std::isfinite(line.heights[a]);
      if (has) path += printed("%c%.1f %.1f", drawing ? 'L' : 'M', at_x(a), at_y(line.heights[a]));
      drawing = has;
    }
    return "<path d=\"" + path + (line.hover.empty() ? "\"/>" : "\"><title>" + escape_xml(line.hover) + "</title></path>");
  };
  std::string others, front, frame;
  for (const auto& line : lines) (line.on_front ? front : others) += draw(line);
  for (std::size_t a = 0; a < axes.size(); ++a) {
    // The last axis' texts stand on the side of the one before.
    const bool is_last = a + 1 == axes.size();
    frame += draw_axis(axes[a], a, at_x(a), is_last, a + 2 >= axes.size() ? gap / 2 - 6 : gap - 8);
  }
  return open(title, std::to_string(lines.size()) + " lines", kHeight, explain(axes)) + "<g class=\"s0 thin\">" + others + "</g><g class=\"s1\">" + front + "</g>" + frame + kClose;
}

}  // namespace dsc
