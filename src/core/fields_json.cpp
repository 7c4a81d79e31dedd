#include "core/fields_json.h"

#include <memory>
#include <vector>

#include "core/fields_parse.h"
#include "core/tree.h"
#include "dscompress/error.h"

namespace dsc {

void parse_json(std::string_view text, const std::string& name, const std::function<void(FieldVisitor&)>& fields) {
  std::vector<Problem> problems;
  try {
    parse_fields(read_json(text, std::make_shared<TreeSource>(TreeSource{.name = name, .folder = {}}), problems), fields, problems);
  } catch (const Error& error) {
    problems.insert(problems.end(), error.problems().begin(), error.problems().end());
  }
  if (!problems.empty()) throw Error(ErrorCode::data, std::move(problems));
}

}  // namespace dsc
