// Horizontal bars, each below its label and its value: names of layers are long, and telephones narrow.
#include <algorithm>
#include <cmath>
#include <span>

#include "core/printed.h"
#include "report/chart_parts.h"

namespace dsc {
namespace {

using namespace chart;

constexpr double kRow = 36, kThick = 12, kSide = 2, kFull = kWidth - 2 * kSide;

std::string bar_at(double top, double from, double to, const std::string& classes) {
  return printed("<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%g\" rx=\"2\"/>", classes.c_str(), std::min(from, to), top + 20, std::max(1.5, std::abs(to - from)), kThick);
}

// Label on the left, value on the right: neither reaches into the other.
std::string texts_at(double top, const std::string& label, const std::string& text) {
  const auto room = static_cast<std::size_t>(kFull / kCharacter) - std::min<std::size_t>(text.size() + 2, 40);
  return text_at(kSide, top + 14, shortened(label, std::max<std::size_t>(room, 8)), "start") + text_at(kWidth - kSide, top + 14, text, "end");
}

template <class Row>
std::string describe(std::span<const Row> rows) {
  std::string text;
  for (const auto& row : rows) text += (text.empty() ? "" : "; ") + row.label + " " + row.text;
  return text;
}

// Many rows as several drawings of the same scale, which stand beside each other where there is room.
template <class Row, class Draw>
std::string in_parts(const std::string& title, const std::vector<Row>& rows, const Draw& draw) {
  constexpr std::size_t kMostRows = 16;
  const std::size_t parts = (rows.size() + kMostRows - 1) / kMostRows, each = (rows.size() + parts - 1) / parts;
  std::string html;
  for (std::size_t from = 0; from < rows.size(); from += each) {
    const auto part = std::span<const Row>(rows).subspan(from, std::min(each, rows.size() - from));
    const auto name = parts > 1 ? printed("%s (%zu of %zu)", title.c_str(), from / each + 1, parts) : title;
    html += open(name, describe(part), kRow * static_cast<double>(part.size()) + 4) + draw(part) + kClose;
  }
  return html;
}

// Beside the bars of all rows, not through their texts.
std::string vertical_line(double x, std::size_t rows) {
  std::string svg;
  for (std::size_t i = 0; i < rows; ++i) {
    const double top = kRow * static_cast<double>(i) + 18;
    svg += printed("<line class=\"zero\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", x, top, x, top + kThick + 4);
  }
  return svg;
}

}  // namespace

std::string bar_chart(const std::string& title, const std::vector<Bar>& bars) {
  double high = 0;
  for (const auto& bar : bars) high = std::max({high, bar.value, bar.before.value_or(0)});
  if (bars.empty() || high <= 0) return {};
  return in_parts(title, bars, [&](std::span<const Bar> part) {
    std::string svg;
    for (std::size_t i = 0; i < part.size(); ++i) {
      const double top = kRow * static_cast<double>(i);
      svg += texts_at(top, part[i].label, part[i].text);
      if (part[i].before) svg += bar_at(top, kSide, kSide + *part[i].before / high * kFull, "pale");
      svg += bar_at(top, kSide, kSide + part[i].value / high * kFull, "f0");
    }
    return svg;
  });
}

std::string waterfall_chart(const std::string& title, const std::vector<WaterfallStep>& changes, bool larger_is_better, bool from_zero) {
  if (changes.size() < 2) return {};
  const auto [least, most] = std::ranges::minmax(changes, {}, &WaterfallStep::value);
  const double low = from_zero ? std::min(0.0, least.value) : least.value, high = most.value;
  if (!std::isfinite(low) || !std::isfinite(high)) return {};
  const double range = high > low ? high - low : 1;
  const auto x = [&](double value) { return kSide + 4 + (value - low) / range * (kFull - 8); };
  std::string svg = open(title, describe(std::span<const WaterfallStep>(changes)), kRow * static_cast<double>(changes.size()) + 4) + vertical_line(x(changes.front().value), changes.size());
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const double top = kRow * static_cast<double>(i), value = changes[i].value;
    svg += texts_at(top, changes[i].label, changes[i].text);
    if (i == 0) {
      if (from_zero) svg += bar_at(top, x(low), x(value), "f7");
      else svg += dot_at(x(value), top + 20 + kThick / 2, 5, "f7");
      continue;
    }
    const double before = changes[i - 1].value;
    if (value == before) svg += dot_at(x(value), top + 20 + kThick / 2, 4, "f7");
    else svg += bar_at(top, x(before), x(value), (value > before) == larger_is_better ? "good" : "bad");
  }
  return svg + kClose;
}

std::string span_chart(const std::string& title, const std::vector<Span>& spans) {
  double low = 0, high = 0;
  for (const auto& span : spans) {
    low = std::min(low, span.low);
    high = std::max(high, span.high);
  }
  if (spans.empty() || !(high > low)) return {};
  const auto x = [&](double value) { return kSide + (value - low) / (high - low) * kFull; };
  return in_parts(title, spans, [&](std::span<const Span> part) {
    std::string svg = vertical_line(x(0), part.size());
    for (std::size_t i = 0; i < part.size(); ++i) {
      const double top = kRow * static_cast<double>(i);
      svg += texts_at(top, part[i].label, part[i].text) + bar_at(top, x(part[i].low), x(part[i].high), "f0");
    }
    return svg;
  });
}

}  // namespace dsc
