#include "report/svg.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/metric_facts.h"
#include "core/printed.h"

namespace dsc {
namespace {

constexpr std::array<const char*, 8> kColours = {"#3b6fd4", "#d4643b", "#2f9e6e", "#9a57c4", "#c9a227", "#3aa6b9", "#c44f7a", "#7a7f87"};
constexpr double kWidth = 560, kHeight = 260, kLeft = 64, kRight = 16, kTop = 34, kBottom = 44;
constexpr double kCharacter = 6.4, kLine = 12;  // of the charts' 11 px text, on average

// A range with round ticks around the data.
struct Axis {
  double low = 0, high = 1, step = 1;
  double at(double value, double from, double to) const { return from + (value - low) / (high - low) * (to - from); }
};

Axis make_axis(double low, double high, Bounds bounds = {}) {
  if (!(high > low)) {
    const double pad = low == 0 ? 1 : std::abs(low) * 0.1;
    low -= pad;
    high += pad;
  }
  const double rough = (high - low) / 4, power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) {
      step = factor * power;
      break;
    }
  }
  return {std::max(bounds.low, std::floor(low / step) * step), std::min(bounds.high, std::ceil(high / step) * step), step};
}

std::string open_chart(const std::string& title, double height) {
  return printed("<figure><figcaption>%s</figcaption><svg viewBox=\"0 0 %g %g\" role=\"img\">", escape_xml(title).c_str(), kWidth, height);
}

std::string text_at(double x, double y, const std::string& text, const char* anchor) {
  return printed("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor) + escape_xml(text) + "</text>";
}

// Where the labels of dots go, so that none covers another.
class LabelPlaces {
 public:
  std::string put(double x, double y, const std::string& text) {
    const double width = kCharacter * static_cast<double>(text.size());
    const bool to_left = x + 8 + width > kWidth;
    const double left = to_left ? x - 8 - width : x + 8;
    double top = y - 7;
    for (const double offset : {-7.0, 17.0, -20.0, 30.0, -33.0, 43.0, -46.0, 56.0}) {
      const double at = y + offset;
      const auto covers = [&](const Box& box) { return left < box.right && box.left < left + width && std::abs(at - box.y) < kLine; };
      if (at < kTop - kLine || at > kHeight - kBottom || std::ranges::any_of(boxes_, covers)) continue;
      top = at;
      break;
    }
    boxes_.push_back({left, left + width, top});
    return text_at(to_left ? x - 8 : x + 8, top, text, to_left ? "end" : "start");
  }

 private:
  struct Box {
    double left, right, y;
  };
  std::vector<Box> boxes_;
};

std::string draw_axes(const Axis& x, const Axis& y, const std::string& x_label) {
  std::string svg;
  const double right = kWidth - kRight, bottom = kHeight - kBottom;
  for (double tick = y.low; tick <= y.high + y.step / 2; tick += y.step) {
    const double at = y.at(tick, bottom, kTop);
    svg += printed("<line class=\"grid\" x1=\"%g\" y1=\"%.1f\" x2=\"%g\" y2=\"%.1f\"/>", kLeft, at, right, at);
    svg += text_at(kLeft - 6, at + 4, printed("%.4g", std::abs(tick) < y.step / 1000 ? 0.0 : tick), "end");
  }
  for (double tick = x.low; tick <= x.high + x.step / 2; tick += x.step) {
    svg += text_at(x.at(tick, kLeft, right), bottom + 16, printed("%.4g", std::abs(tick) < x.step / 1000 ? 0.0 : tick), "middle");
  }
  return svg + text_at((kLeft + right) / 2, kHeight - 8, x_label, "middle");
}

std::string dot_at(double x, double y, double radius, const char* colour, const std::string& hover = {}) {
  const std::string circle = printed("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%g\" fill=\"%s\"", x, y, radius, colour);
  return circle + (hover.empty() ? "/>" : "><title>" + escape_xml(hover) + "</title></circle>");
}

std::string draw_dots(const Series& series, const Axis& x, const Axis& y, const char* colour) {
  std::string svg;
  for (std::size_t k = 0; k < series.x.size(); ++k) {
    if (!std::isfinite(series.y[k])) continue;
    svg += dot_at(x.at(series.x[k], kLeft, kWidth - kRight), y.at(series.y[k], kHeight - kBottom, kTop), 4, colour, k < series.hover.size() ? series.hover[k] : "");
  }
  return svg;
}

// The points of a series that can be drawn; where one is alone between gaps, a dot, since a line needs two.
std::string draw_line(const Series& series, const Axis& x, const Axis& y, const char* colour) {
  const char* stroke = series.mark == Mark::dashes ? "stroke-width=\"1.5\" stroke-dasharray=\"4 3\"" : "stroke-width=\"2\"";
  std::string svg, line;
  std::size_t length = 0;
  double last_x = 0, last_y = 0;
  const auto finish = [&] {
    if (length == 1) svg += dot_at(last_x, last_y, 3, colour);
    if (length > 1) svg += printed("<polyline fill=\"none\" stroke=\"%s\" %s points=\"", colour, stroke) + line + "\"/>";
    line.clear();
    length = 0;
  };
  for (std::size_t k = 0; k < series.x.size(); ++k) {
    if (!std::isfinite(series.y[k])) {
      finish();
      continue;
    }
    last_x = x.at(series.x[k], kLeft, kWidth - kRight);
    last_y = y.at(series.y[k], kHeight - kBottom, kTop);
    line += printed("%.1f,%.1f ", last_x, last_y);
    ++length;
  }
  finish();
  return svg;
}

}  // namespace

std::string escape_xml(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      default:
        escaped += static_cast<unsigned char>(c) < 0x20 && c != '\n' ? ' ' : c;  // XML knows no control characters
    }
  }
  return escaped;
}

FigureScale scale_of(const std::string& figure, double largest) {
  if (figure == "size") return largest >= 1e6 ? FigureScale{1e-6, "size, MB"} : FigureScale{1e-3, "size, kB"};
  if (figure == "macs" || figure == "parameters") return largest >= 1e6 ? FigureScale{1e-6, figure + ", millions"} : FigureScale{1e-3, figure + ", thousands"};
  if (figure.starts_with("latency_")) return {1, "latency " + figure.substr(std::string_view("latency_").size()) + ", ms"};
  if (figure == "seconds") return {1, "time, s"};
  return is_share(figure) ? FigureScale{100, figure + ", %"} : FigureScale{1, figure};
}

std::string line_chart(const std::string& title, const std::string& x_label, const std::vector<Series>& series, Bounds y_bounds) {
  double x_low = 0, x_high = 0, y_low = 1e300, y_high = -1e300;
  for (const auto& one : series) {
    for (const double x : one.x) x_high = std::max(x_high, x);
    for (const double y : one.y) {
      if (!std::isfinite(y)) continue;
      y_low = std::min(y_low, y);
      y_high = std::max(y_high, y);
    }
  }
  if (y_low > y_high) return {};
  const Axis x = make_axis(x_low, x_high), y = make_axis(y_low, y_high, y_bounds);
  std::string svg = open_chart(title, kHeight) + draw_axes(x, y, x_label);
  for (std::size_t i = 0; i < series.size(); ++i) {
    const auto* colour = kColours[i % kColours.size()];
    svg += series[i].mark == Mark::dots ? draw_dots(series[i], x, y, colour) : draw_line(series[i], x, y, colour);
    if (series.size() > 1) {
      svg += printed("<rect x=\"%g\" y=\"%g\" width=\"10\" height=\"10\" fill=\"%s\"/>", kLeft + 8 + 150.0 * static_cast<double>(i % 3),
                    8 + 13.0 * static_cast<double>(i / 3), colour);
      svg += text_at(kLeft + 22 + 150.0 * static_cast<double>(i % 3), 17 + 13.0 * static_cast<double>(i / 3), series[i].name, "start");
    }
  }
  return svg + "</svg></figure>";
}

std::string bar_chart(const std::string& title, const std::vector<Bar>& bars) {
  double high = 0;
  std::size_t longest = 0;
  for (const auto& bar : bars) {
    high = std::max(high, bar.value);
    longest = std::max(longest, bar.label.size());
  }
  if (bars.empty() || high <= 0) return {};
  constexpr double kRow = 24, kTexts = 90;
  const double labels = std::clamp(16 + kCharacter * static_cast<double>(longest), 100.0, 330.0);
  const double height = kRow * static_cast<double>(bars.size()) + 8;
  std::string svg = open_chart(title, height);
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const double top = 4 + kRow * static_cast<double>(i), length = bars[i].value / high * (kWidth - labels - kTexts);
    svg += text_at(labels - 8, top + 15, bars[i].label, "end");
    svg += printed("<rect x=\"%g\" y=\"%.1f\" width=\"%.1f\" height=\"16\" rx=\"2\" fill=\"%s\"/>", labels, top + 3, std::max(1.0, length), kColours[0]);
    svg += text_at(labels + length + 6, top + 15, bars[i].text, "start");
  }
  return svg + "</svg></figure>";
}

std::string path_chart(const std::string& title, const std::string& x_label, const std::string& y_label, const std::vector<Dot>& dots, Bounds y_bounds) {
  if (dots.size() < 2) return {};
  double x_low = 0, x_high = 0, y_low = dots[0].y, y_high = dots[0].y;
  for (const auto& dot : dots) {
    x_high = std::max(x_high, dot.x);
    y_low = std::min(y_low, dot.y);
    y_high = std::max(y_high, dot.y);
  }
  const Axis x = make_axis(x_low, x_high), y = make_axis(y_low, y_high, y_bounds);
  std::string svg = open_chart(title, kHeight) + draw_axes(x, y, x_label) + text_at(kLeft, 20, y_label, "start"), line, marks;
  LabelPlaces labels;
  for (const auto& dot : dots) {
    const double px = x.at(dot.x, kLeft, kWidth - kRight), py = y.at(dot.y, kHeight - kBottom, kTop);
    line += printed("%.1f,%.1f ", px, py);
    marks += dot_at(px, py, 4, kColours[0]);
    marks += labels.put(px, py, dot.label);
  }
  svg += printed("<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" stroke-dasharray=\"4 3\" points=\"", kColours[0]) + line + "\"/>";
  return svg + marks + "</svg></figure>";
}

std::string scatter_chart(const std::string& title, const std::string& x_label, const std::string& y_label, const std::vector<Point>& points) {
  if (points.empty()) return {};
  const auto [left, right] = std::ranges::minmax(points, {}, &Point::x);
  const auto [low, high] = std::ranges::minmax(points, {}, &Point::y);
  const Axis x = make_axis(left.x, right.x), y = make_axis(low.y, high.y);
  std::string svg = open_chart(title, kHeight) + draw_axes(x, y, x_label) + text_at(kLeft, 20, y_label, "start"), others, front, line;
  auto in_order = points;
  std::ranges::stable_sort(in_order, {}, &Point::x);
  for (const auto& point : in_order) {
    const double px = x.at(point.x, kLeft, kWidth - kRight), py = y.at(point.y, kHeight - kBottom, kTop);
    if (point.on_front) line += printed("%.1f,%.1f ", px, py);
    auto& dots = point.on_front ? front : others;
    dots += printed("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\"", px, py, point.on_front ? 5 : 3) + (point.hover.empty() ? "/>" : "><title>" + escape_xml(point.hover) + "</title></circle>");
  }
  svg += printed("<polyline fill=\"none\" stroke=\"%s\" stroke-dasharray=\"4 3\" points=\"", kColours[1]) + line + "\"/>";
  return svg + printed("<g fill=\"%s\" opacity=\".55\">", kColours[0]) + others + printed("</g><g fill=\"%s\">", kColours[1]) + front + "</g></svg></figure>";
}

std::string parallel_chart(const std::string& title, const std::vector<ParallelAxis>& axes, const std::vector<ParallelLine>& lines) {
  if (axes.size() < 2 || lines.empty()) return {};
  constexpr double kSide = 48, kBottomOfAxes = kHeight - 34;
  const auto at_x = [&](std::size_t axis) { return kSide + (kWidth - 2 * kSide) * static_cast<double>(axis) / static_cast<double>(axes.size() - 1); };
  const auto at_y = [&](double height) { return kBottomOfAxes - height * (kBottomOfAxes - kTop); };
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
    frame += printed("<line class=\"grid\" x1=\"%.1f\" y1=\"%g\" x2=\"%.1f\" y2=\"%g\"/>", at_x(a), kTop, at_x(a), kBottomOfAxes);
    for (const auto& [height, text] : axes[a].ticks) frame += text_at(at_x(a) + (a + 1 == axes.size() ? -4 : 4), at_y(height) + 4, text, a + 1 == axes.size() ? "end" : "start");
    frame += text_at(at_x(a), a % 2 == 0 ? kHeight - 18 : kHeight - 5, axes[a].label, "middle");  // in turn on two lines: long names
  }
  return open_chart(title, kHeight) + printed("<g fill=\"none\" stroke=\"%s\" opacity=\".3\">", kColours[0]) + others +
         printed("</g><g fill=\"none\" stroke=\"%s\" stroke-width=\"2\" opacity=\".85\">", kColours[1]) + front + "</g>" + frame + "</svg></figure>";
}

}  // namespace dsc
