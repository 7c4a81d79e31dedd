// report.json and its schema, both from the field lists.
#include "core/fields_json.h"
#include "core/fields_schema.h"
#include "core/fields_write.h"
#include "dscompress/error.h"
#include "report/report.h"

namespace dsc {

std::string report_json(const Report& report) { return to_json(write_fields(report)) + "\n"; }

Report parse_report(const std::string& json, const std::string& file) {
  auto report = parse_json<Report>(json, file);
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
