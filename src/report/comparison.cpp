#include "report/comparison.h"

#include <cmath>
#include <sstream>

#include "core/fields_write.h"
#include "core/log.h"
#include "core/metric_facts.h"
#include "core/printed.h"
#include "core/tree.h"
#include "report/html_page.h"
#include "report/markdown_table.h"
#include "report/report.h"
#include "report/charts.h"

namespace dsc {
namespace {

std::string difference_text(const std::string& metric, double value) {
  return is_share(metric) ? printed("%+.2f", 100 * value) : printed("%+.4f", value);
}

std::string value_text(const FigureRecord& figure, const std::optional<double>& value) {
  if (!value) return "-";
  if (figure.unit == "bytes") return format_bytes(*value);
  if (figure.unit == "MACs" || figure.unit == "parameters") return format_count(*value);
  if (figure.unit == "s") return format_duration(*value);
  if (figure.unit == "ms") return printed("%.3f ms", *value);
  if (figure.unit == "x") return printed("%.2fx", *value);
  return format_metric(figure.name.substr(figure.name.rfind(' ') + 1), *value);
}

// "B", "C", ...: runs by letters, in their order.
std::string letter(std::size_t run) { return run < 26 ? std::string(1, static_cast<char>('A' + run)) : "run " + std::to_string(run + 1); }

std::vector<std::string> with_letters(std::string first, std::size_t runs) {
  std::vector<std::string> columns{std::move(first)};
  for (std::size_t i = 0; i < runs; ++i) columns.push_back(letter(i));
  return columns;
}

ComparisonTable metric_table(const RunComparison& comparison) {
  ComparisonTable table{"Metrics", with_letters("", comparison.runs.size()), {}};
  for (std::size_t i = 1; i < comparison.runs.size(); ++i) {
    table.columns.push_back(letter(i) + " - A [90 %]");
    table.columns.push_back("flips");
  }
  for (const auto& figure : comparison.metrics) {
    std::vector<std::string> row{figure.name};
    for (const auto& value : figure.values) row.push_back(value_text(figure, value));
    for (std::size_t i = 1; i < comparison.runs.size(); ++i) {
      const auto& paired = figure.paired.at(i);
      row.push_back(paired ? paired_text(figure.name, *paired) : figure.note.empty() ? "-" : figure.note);
      row.push_back(paired ? flips_text(*paired) : "");
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

ComparisonTable figure_table(const std::string& title, const std::vector<FigureRecord>& figures, std::size_t runs) {
  ComparisonTable table{title, with_letters("", runs), {}};
  for (std::size_t i = 1; i < runs; ++i) table.columns.push_back(letter(i) + " / A");
  for (const auto& figure : figures) {
    std::vector<std::string> row{figure.name};
    for (const auto& value : figure.values) row.push_back(value_text(figure, value));
    for (std::size_t i = 1; i < runs; ++i) {
      const auto &first = figure.values.front(), &value = figure.values[i];
      const bool comparable = first && value && *first != 0 && !figure.unit.empty();
      row.push_back(comparable ? printed("%.3f", *value / *first) : "");
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

ComparisonTable difference_table(const std::string& title, const std::vector<DifferenceRecord>& differences, std::size_t runs) {
  ComparisonTable table{title, with_letters("", runs), {}};
  for (const auto& difference : differences) {
    std::vector<std::string> row{difference.name};
    row.insert(row.end(), difference.values.begin(), difference.values.end());
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace

void PairedRecord::fields(FieldVisitor& visit) {
  visit("examples", examples, {.text = "Examples that both models saw."});
  visit("difference", difference, {.text = "This run's metric minus the first's."});
  visit("low", low, {.text = "Lower end of the 90 % interval of the difference, from resampled examples."});
  visit("high", high, {.text = "Upper end."});
  visit("lost", lost, {.text = "Examples that only the first had right; absent: not a right-or-wrong metric."});
  visit("won", won, {.text = "Examples that only this one had right."});
  visit("mcnemar_p", mcnemar_p, {.text = "Exact test of McNemar, two-sided."});
  visit("turned_wrong", turned_wrong, {.text = "Indices of the examples that only the first had right; the first thousand."});
}

void FigureRecord::fields(FieldVisitor& visit) {
  visit("name", name, {.text = "What was measured."});
  visit("unit", unit, {.text = "Its unit; empty: a metric, or a plain number."});
  visit("values", values, {.text = "One for each run; null: not measured."});
  visit("paired", paired, {.text = "Of metrics: each run against the first on the same examples."});
  visit("note", note, {.text = "Why something is missing."});
}

void DifferenceRecord::fields(FieldVisitor& visit) {
  visit("name", name, {.text = "What differs."});
  visit("values", values, {.text = "One for each run; -: not there."});
}

void ComparedRun::fields(FieldVisitor& visit) {
  visit("path", path, {.text = "As it was given."});
  visit("name", name, {.text = "The recipe's name."});
  visit("status", status, {.text = "passed, failed, anomalous."});
  visit("started_at", started_at, {.text = "Start of the run in UTC, ISO 8601."});
  visit("machine", machine, {.text = "Processor, cores, memory."});
}

void RunComparison::fields(FieldVisitor& visit) {
  visit("version", version, {.text = "Version of this form."});
  visit("runs", runs, {.text = "The runs, in the order given; the first is what the others are compared with."});
  visit("metrics", metrics, {.text = "Metrics of the compressed models, as deployed where all are."});
  visit("figures", figures, {.text = "Size, MACs, latency, memory."});
  visit("steps", steps, {.text = "Figures after each step, by its name."});
  visit("layers", layers, {.text = "Weights that differ in shape or type."});
  visit("recipe", recipe, {.text = "Settings that differ, with all defaults written out."});
  visit("notes", notes, {.text = "What to bear in mind."});
}

std::string paired_text(const std::string& metric, const PairedRecord& paired) {
  return difference_text(metric, paired.difference) + (is_share(metric) ? " points" : "") + " [" + difference_text(metric, paired.low) +
         ", " + difference_text(metric, paired.high) + "]";
}

std::string flips_text(const PairedRecord& paired) {
  if (!paired.lost || !paired.won || !paired.mcnemar_p) return "";
  return printed("%lld turned wrong, %lld right of %lld; p %.3g", static_cast<long long>(*paired.lost), static_cast<long long>(*paired.won),
                 static_cast<long long>(paired.examples), *paired.mcnemar_p);
}

std::vector<ComparisonTable> comparison_tables(const RunComparison& comparison) {
  ComparisonTable runs{"Runs", {"", "run", "name", "status", "started", "machine"}, {}};
  for (std::size_t i = 0; i < comparison.runs.size(); ++i) {
    const auto& run = comparison.runs[i];
    runs.rows.push_back({letter(i), run.path, run.name, run.status, run.started_at, run.machine});
  }
  const auto count = comparison.runs.size();
  std::vector<ComparisonTable> tables{std::move(runs), metric_table(comparison), figure_table("Figures", comparison.figures, count),
                                      figure_table("Steps", comparison.steps, count), difference_table("Layers that differ", comparison.layers, count),
                                      difference_table("Settings that differ", comparison.recipe, count)};
  std::erase_if(tables, [](const ComparisonTable& table) { return table.rows.empty(); });
  return tables;
}

std::string comparison_json(const RunComparison& comparison) { return to_json(write_fields(comparison)) + "\n"; }

std::string comparison_markdown(const RunComparison& comparison) {
  std::ostringstream out;
  out << "# Comparison\n\n";
  for (const auto& table : comparison_tables(comparison)) {
    out << "## " << table.title << "\n\n";
    markdown::write_table(out, table.columns, table.rows);
  }
  for (const auto& note : comparison.notes) out << "- " << note << '\n';
  return std::move(out).str();
}

std::string comparison_html(const RunComparison& comparison) {
  std::ostringstream out;
  out << html::head("Comparison") << "<h1>Comparison</h1>\n<div class=\"cards\">";
  for (std::size_t i = 0; i < comparison.runs.size(); ++i) html::write_card(out, letter(i), comparison.runs[i].name, comparison.runs[i].path);
  out << "</div>\n";
  for (const auto& table : comparison_tables(comparison)) {
    out << "<h2>" << escape_xml(table.title) << "</h2>\n";
    html::write_table(out, table.title, table.columns, table.rows);
  }
  for (const auto& figures : {comparison.metrics, comparison.figures}) {
    for (const auto& figure : figures) {
      std::vector<Bar> bars;
      for (std::size_t i = 0; i < figure.values.size(); ++i) {
        if (figure.values[i]) bars.push_back({letter(i) + " " + comparison.runs[i].name, *figure.values[i], value_text(figure, figure.values[i])});
      }
      out << bar_chart(figure.name, bars);
    }
  }
  for (const auto& note : comparison.notes) out << "<p>" << escape_xml(note) << "</p>\n";
  out << html::kEnd;
  return std::move(out).str();
}

}  // namespace dsc
