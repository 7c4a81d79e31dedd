// report.json and its schema, both from the field lists.
#include <memory>

#include "core/fields_parse.h"
#include "core/fields_schema.h"
#include "core/fields_write.h"
#include "core/tree.h"
#include "dscompress/error.h"
#include "report/report.h"

namespace dsc {

std::string report_json(const Report& report) { return to_json(write_fields(report)) + "\n"; }

Report parse_report(const std::string& json, const std::string& file) {
  const auto source = std::make_shared<TreeSource>(TreeSource{.name = file, .folder = {}});
  std::vector<Problem> problems;
  Report report;
  try {
    const auto tree = read_json(json, source, problems);
    parse_fields(tree, report, problems);
  } catch (const Error& error) {
    problems.insert(problems.end(), error.problems().begin(), error.problems().end());
  }
  if (!problems.empty()) throw Error(ErrorCode::data, std::move(problems));
  if (report.version > kReportVersion) {
    throw Error(ErrorCode::data, "the report has version " + std::to_string(report.version) + ", this program reads up to " + std::to_string(kReportVersion),
                {.file = file}, "use a newer dscompress");
  }
  return report;
}

std::string report_schema() {
  Report report;
  return to_json(schema_of([&](FieldVisitor& visit) { report.fields(visit); }, {.expressions = false})) + "\n";
}

}  // namespace dsc
