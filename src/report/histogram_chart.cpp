// Histograms, small enough to show one for each layer.
#include <algorithm>
#include <cstdint>

#include "core/printed.h"
#include "report/chart_parts.h"

namespace dsc {

std::string histogram_chart(const Histogram& histogram) {
  using namespace chart;
  constexpr double kTall = 44, kSide = 2, kFull = kWidth - 2 * kSide;
  const auto most = histogram.counts.empty() ? 0 : std::ranges::max(histogram.counts);
  if (most <= 0 || !(histogram.high > histogram.low)) return {};
  const double width = kFull / static_cast<double>(histogram.counts.size());
  std::string svg = open(histogram.title, histogram.text, kTall + 20);
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    if (histogram.counts[i] == 0) continue;
    const double tall = std::max(1.0, kTall * static_cast<double>(histogram.counts[i]) / static_cast<double>(most));
    svg += printed("<rect class=\"f0\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", kSide + width * static_cast<double>(i), kTall - tall, width - 1, tall);
  }
  if (histogram.low < 0 && histogram.high > 0) {
    const double zero = kSide + kFull * -histogram.low / (histogram.high - histogram.low);
    svg += printed("<line class=\"zero\" x1=\"%.1f\" y1=\"0\" x2=\"%.1f\" y2=\"%g\"/>", zero, zero, kTall + 3);
  }
  return svg + text_at(kSide, kTall + 16, printed("%.3g", histogram.low), "start") + text_at(kWidth / 2, kTall + 16, histogram.text, "middle") +
         text_at(kWidth - kSide, kTall + 16, printed("%.3g", histogram.high), "end") + kClose;
}

}  // namespace dsc
