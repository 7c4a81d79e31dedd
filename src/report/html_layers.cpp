// Layers: before and after, their weights' values, and what the deployed engine made of them.
#include <algorithm>
#include <map>

#include "core/log.h"
#include "core/printed.h"
#include "report/html_page.h"
#include "report/html_sections.h"

namespace dsc::html {
namespace {

constexpr std::size_t kMostBars = 60;  // of one chart; the table has all

std::string from_to(const std::string& before, const std::string& now) { return before == now ? now : before + " → " + now; }

std::string bits_text(std::int64_t bits) { return bits == 32 ? "f32" : bits == 16 ? "16" : "int" + std::to_string(bits); }

// A figure of each layer, before and after.
std::string before_and_after(const Report& report, const std::string& title, double (*before)(const LayerRecord&), double (*after)(const LayerRecord&)) {
  std::vector<Bar> bars;
  for (const auto& layer : report.layers) {
    const double from = before(layer), to = after(layer);
    if (from <= 0 && to <= 0) continue;
    bars.push_back({layer.name, to, from_to(format_count(from), format_count(to)), from});
  }
  if (bars.size() > kMostBars) return {};
  return bar_chart(title, bars);
}

void write_before_and_after(std::ostream& out, const Report& report) {
  if (report.layers.empty()) return;
  std::vector<std::vector<std::string>> rows;
  for (const auto& layer : report.layers) {
    const double saved = layer.macs_before > 0 ? layer.macs / layer.macs_before : 1;
    rows.push_back({layer.name, layer.type, std::to_string(layer.channels_before), layer.channels == 0 ? "gone" : std::to_string(layer.channels), bits_text(layer.weight_bits),
                    format_count(layer.macs_before), format_count(layer.macs), printed("%.0f %%", 100 * saved), format_count(static_cast<double>(layer.parameters_before)),
                    format_count(static_cast<double>(layer.parameters))});
  }
  out << "<h2 id=\"layers\">Layers</h2>\n<p class=\"note\">Of the compressed model; pale: of the base.</p>\n"
      << before_and_after(report, "Channels", [](const LayerRecord& layer) { return static_cast<double>(layer.channels_before); }, [](const LayerRecord& layer) { return static_cast<double>(layer.channels); })
      << before_and_after(report, "MACs", [](const LayerRecord& layer) { return layer.macs_before; }, [](const LayerRecord& layer) { return layer.macs; });
  std::vector<Bar> bytes;
  for (const auto& layer : report.layers) {
    const double now = static_cast<double>(layer.parameters * layer.weight_bits) / 8, before = static_cast<double>(4 * layer.parameters_before);
    if (before > 0) bytes.push_back({layer.name, now, (layer.channels == 0 ? "gone" : bits_text(layer.weight_bits) + ", " + format_bytes(now)), before});
  }
  if (bytes.size() <= kMostBars) out << bar_chart("Bits and bytes of weights", bytes);
  out << "\n<details><summary>all layers (" << rows.size() << " rows)</summary>";
  write_table(out, "Layers", {"layer", "operator", "channels before", "channels", "weights", "MACs before", "MACs", "MACs left", "parameters before", "parameters"}, rows);
  out << "</details>\n";
}

void write_histograms(std::ostream& out, const Report& report) {
  std::string charts;
  std::size_t count = 0;
  for (const auto& layer : report.layers) {
    const auto chart = histogram_chart({.title = layer.name, .low = layer.low, .high = layer.high, .counts = layer.histogram, .text = bits_text(layer.weight_bits)});
    if (!chart.empty()) ++count;
    charts += chart;
  }
  if (charts.empty()) return;
  out << "<details><summary>values of quantised weights (" << count << " layers)</summary>\n" << charts << "</details>\n";
}

// The precision that most of a layer's time is decided by.
std::string precision_of(const ExecutedLayerRecord& layer) { return layer.precision == "u8" || layer.precision == "i8" ? "INT8" : layer.precision; }

std::string roofline(const DeployedRecord& record) {
  std::vector<std::string> groups;
  std::vector<RooflinePoint> points;
  for (const auto& layer : record.layers) {
    if (layer.macs <= 0 || layer.bytes <= 0 || layer.time_ms <= 0) continue;
    const auto found = std::ranges::find(groups, precision_of(layer));
    const auto group = static_cast<std::size_t>(found - groups.begin());
    if (found == groups.end()) groups.push_back(precision_of(layer));
    points.push_back({layer.macs / layer.bytes, layer.macs / layer.time_ms / 1e6, layer.name + printed("\n%.3f ms, %s\n", layer.time_ms, layer.kernel.c_str()) + format_count(layer.macs) + " MACs, " + format_bytes(layer.bytes), group});
  }
  return roofline_chart("Roofline of the deployed layers", groups, points);
}

void write_executed(std::ostream& out, const DeployedRecord& record) {
  if (record.layers.empty()) return;
  double all = 0;
  for (const auto& layer : record.layers) all += layer.time_ms;
  auto slowest = record.layers;
  std::ranges::stable_sort(slowest, std::ranges::greater{}, &ExecutedLayerRecord::time_ms);
  std::vector<std::vector<std::string>> rows;
  std::vector<Bar> bars;
  for (const auto& layer : slowest) {
    const auto share = all > 0 ? printed("%.0f %%", 100 * layer.time_ms / all) : "-";
    if (bars.size() < 12) bars.push_back({layer.name, layer.time_ms, printed("%.3f ms, ", layer.time_ms) + share});
    rows.push_back({layer.name, layer.type, layer.precision, layer.kernel, printed("%.3f", layer.time_ms), share, format_count(layer.macs), format_bytes(layer.bytes),
                    layer.macs > 0 && layer.time_ms > 0 ? printed("%.1f", layer.macs / layer.time_ms / 1e6) : "-"});
  }
  out << "<h3>Layers as " << escape_xml(record.engine) << " ran them, batch " << record.timed_batch << "</h3>\n<p class=\"note\">Timed with the engine's profiler, which slows small layers. "
      << "The roofs are the highest rates that a layer of this model reached, of work and of bytes.</p>\n"
      << bar_chart("What takes the time", bars) << roofline(record) << "\n<details><summary>all executed layers (" << rows.size() << " rows)</summary>";
  write_table(out, "Executed layers", {"layer", "kind", "precision", "kernel", "ms", "share", "MACs", "bytes moved", "GMAC/s"}, rows);
  out << "</details>\n";
}

}  // namespace

void write_layers(std::ostream& out, const Report& report) {
  write_before_and_after(out, report);
  write_histograms(out, report);
  for (const auto& record : report.deployed) write_executed(out, record);
}

}  // namespace dsc::html
