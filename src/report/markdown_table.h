// Tables in GitHub's Markdown.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace dsc::markdown {

// An empty line follows.
void write_table(std::ostream& out, const std::vector<std::string>& columns, const std::vector<std::vector<std::string>>& rows);

}  // namespace dsc::markdown
