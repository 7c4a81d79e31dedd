// junit.xml: each gate as a test case, for CI systems that show those.
#include <sstream>

#include "report/report.h"
#include "report/charts.h"

namespace dsc {
std::string report_junit(const Report& report) {
  const bool broken = !report.error.empty();
  std::size_t failures = 0;
  for (const auto& gate : report.gates) failures += gate.passed ? 0 : 1;
  std::ostringstream out;
  out << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"" << escape_xml(report.name) << "\" tests=\"" << report.gates.size() + 1
      << "\" failures=\"" << failures << "\" errors=\"" << (broken ? 1 : 0) << "\" time=\"" << report.seconds << "\">\n";
  out << "  <testcase classname=\"dscompress\" name=\"run\" time=\"" << report.seconds << "\">";
  if (broken) out << "<error message=\"" << escape_xml(report.error) << "\"/>";
  out << "</testcase>\n";
  for (const auto& gate : report.gates) {
    out << "  <testcase classname=\"gates\" name=\"" << escape_xml(gate.metric + " " + gate.rule) << "\">";
    if (!gate.passed) out << "<failure message=\"" << escape_xml(gate.message) << "\"/>";
    out << "</testcase>\n";
  }
  out << "</testsuite>\n";
  return std::move(out).str();
}

}  // namespace dsc
