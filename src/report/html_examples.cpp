// What the models got wrong: which classes, and which examples.
#include <array>

#include "core/printed.h"
#include "report/html_page.h"
#include "report/html_sections.h"

namespace dsc::html {
namespace {

void write_confusions(std::ostream& out, const ClassesRecord& classes) {
  out << "<h2 id=\"classes\">Classes</h2>\n";
  if (!classes.compressed.empty()) {
    out << "<p class=\"note\">Rows are the right classes, columns those that were chosen; off the diagonal are the mistakes.</p>\n";
    if (!classes.base.empty()) write_matrix(out, {"Base", classes.names, classes.base});
    write_matrix(out, {"Compressed", classes.names, classes.compressed});
  }
  if (classes.confused.empty()) return;
  std::vector<std::vector<std::string>> rows;
  for (const auto& pair : classes.confused) {
    rows.push_back({classes.names.at(static_cast<std::size_t>(pair.label)), classes.names.at(static_cast<std::size_t>(pair.predicted)), std::to_string(pair.base), std::to_string(pair.compressed),
                    printed("%+lld", static_cast<long long>(pair.compressed - pair.base))});
  }
  out << "<h3>Most frequent mistakes of the compressed model</h3>\n";
  write_table(out, "Most frequent mistakes", {"label", "taken for", "base", "compressed", "change"}, rows);
}

void write_example(std::ostream& out, const ExampleRecord& example) {
  const auto number = std::to_string(example.index);
  out << "<li>";
  if (!example.picture.empty()) out << "<img src=\"" << escape_xml(example.picture) << "\" alt=\"Example " << number << ", labelled " << escape_xml(example.label) << "\">";
  if (!example.text.empty()) out << "<q>" << escape_xml(example.text) << "</q><br>";
  out << "<b>" << escape_xml(example.label) << "</b><br>base: " << escape_xml(example.base) << printed(" (loss %.2f)", example.base_loss) << "<br>compressed: " << escape_xml(example.compressed)
      << printed(" (loss %.2f)", example.compressed_loss) << "<br><small>example " << number << "</small></li>";
}

}  // namespace

void write_examples(std::ostream& out, const Report& report) {
  if (report.classes) write_confusions(out, *report.classes);
  static constexpr std::array<std::array<const char*, 2>, 3> kKinds{{{"turned wrong", "Turned wrong by compression"}, {"compressed", "Worst of the compressed model"}, {"base", "Worst of the base"}}};
  for (const auto& [of, title] : kKinds) {
    bool any = false;
    for (const auto& example : report.examples) {
      if (example.of != of) continue;
      if (!any) out << "<h3>" << title << "</h3>\n<ul class=\"examples\">";
      any = true;
      write_example(out, example);
    }
    if (any) out << "</ul>\n";
  }
}

}  // namespace dsc::html
