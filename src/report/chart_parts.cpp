#include "report/chart_parts.h"

#include <algorithm>
#include <cmath>

#include "core/metric_facts.h"
#include "core/printed.h"

namespace dsc {
namespace chart {

Axis make_axis(double low, double high, Bounds bounds) {
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

std::string text_at(double x, double y, const std::string& text, const char* anchor) {
  return printed("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor) + escape_xml(text) + "</text>";
}

namespace {

// The power of a thousand that ticks are divided by, so that they are short; 1 for most.
double unit_of(const Axis& axis) {
  const double largest = std::max(std::abs(axis.low), std::abs(axis.high));
  return largest > 0 && (largest < 0.01 || largest >= 1e5) ? std::pow(1000, std::floor(std::log10(largest) / 3)) : 1;
}

std::string tick_text(double tick, const Axis& axis, double unit) { return printed("%.4g", std::abs(tick) < axis.step / 1000 ? 0.0 : tick / unit); }

std::string with_unit(const std::string& label, double unit) { return unit == 1 ? label : label + (label.empty() ? "" : ", ") + printed("in %g", unit); }

}  // namespace

std::string draw_axes(const Axis& x, const Axis& y, const std::string& x_label, const std::string& y_label) {
  std::string svg;
  const double right = kWidth - kRight, bottom = kHeight - kBottom, unit_x = unit_of(x), unit_y = unit_of(y);
  for (double tick = y.low; tick <= y.high + y.step / 1000; tick += y.step) {
    const double at = y.y(tick);
    svg += printed("<line class=\"grid\" x1=\"%g\" y1=\"%.1f\" x2=\"%g\" y2=\"%.1f\"/>", kLeft, at, right, at);
    svg += text_at(kLeft - 6, at + 4, tick_text(tick, y, unit_y), "end");
  }
  for (double tick = x.low; tick <= x.high + x.step / 1000; tick += x.step) svg += text_at(x.x(tick), bottom + 18, tick_text(tick, x, unit_x), "middle");
  if (const auto above = with_unit(y_label, unit_y); !above.empty()) svg += text_at(2, 12, above, "start");
  return svg + text_at((kLeft + right) / 2, kHeight - 6, with_unit(x_label, unit_x), "middle");
}

std::string open(const std::string& title, const std::string& description, double height, const std::string& before) {
  return "<figure><figcaption>" + escape_xml(title) + "</figcaption>" + before +
         printed("<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"", kWidth, height) + escape_xml(title + (description.empty() ? "" : ": " + description)) + "\">";
}

std::string colour(char kind, std::size_t index) { return std::string(1, kind) + std::to_string(index % kColours); }

std::string dot_at(double x, double y, double radius, const std::string& classes, const std::string& hover) {
  const std::string circle = printed("<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%g\"", classes.c_str(), x, y, radius);
  return circle + (hover.empty() ? "/>" : "><title>" + escape_xml(hover) + "</title></circle>");
}

std::string polyline(const std::string& points, const std::string& classes) { return "<polyline class=\"" + classes + "\" points=\"" + points + "\"/>"; }

std::string shortened(const std::string& text, std::size_t most) {
  if (text.size() <= most || most < 2) return text;
  std::size_t from = text.size() - most + 1;
  while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80) ++from;  // not within a character
  return "…" + text.substr(from);
}

std::string legend(const std::vector<std::string>& names) {
  std::string html = "<ul class=\"legend\">";
  for (std::size_t i = 0; i < names.size(); ++i) html += "<li><svg class=\"key " + colour('f', i) + "\" viewBox=\"0 0 1 1\" aria-hidden=\"true\"><rect width=\"1\" height=\"1\"/></svg>" + escape_xml(names[i]) + "</li>";
  return html + "</ul>";
}

std::string LabelPlaces::put(double x, double y, const std::string& text) {
  const double width = kCharacter * static_cast<double>(text.size());
  const bool to_left = x + 8 + width > kWidth;
  const double left = to_left ? x - 8 - width : x + 8;
  double top = y - 7;
  for (const double offset : {-7.0, 17.0, -23.0, 33.0, -39.0, 49.0, -55.0, 65.0}) {
    const double at = y + offset;
    const auto covers = [&](const Box& box) { return left < box.right && box.left < left + width && std::abs(at - box.y) < kLine; };
    if (at < kTop + 4 || at > kHeight - kBottom || std::ranges::any_of(boxes_, covers)) continue;
    top = at;
    break;
  }
  boxes_.push_back({left, left + width, top});
  return text_at(to_left ? x - 8 : x + 8, top, text, to_left ? "end" : "start");
}

}  // namespace chart

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

}  // namespace dsc
