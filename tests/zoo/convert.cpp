// Writes many archives in one process, for scripts/zoo_operators: starting the program takes longer than most of them.
//
// Lines of standard input are "FROM TAB TO"; each is answered by "written TAB" or "refused TAB message".
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>

#include "deploy/artifact.h"
#include "dscompress/error.h"
#include "pipeline/open_model.h"

namespace {

std::string in_one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return text;
}

std::string convert(const std::string& from, const std::string& to) {
  try {
    dsc::Model model = dsc::open_model(from);
    if (to.ends_with(".xml")) dsc::bring_into_form(model, false);  // as `dscompress export` does
    dsc::write_artifact(model, to);
    return "written\t";
  } catch (const dsc::Error& error) {
    std::string all = std::string(dsc::to_string(error.code())) + ": ";
    for (const auto& problem : error.problems()) all += problem.message + "; ";
    return "refused\t" + in_one_line(all);
  } catch (const std::exception& error) {  // as the command line answers them: our mistake
    return "internal\t" + in_one_line(error.what());
  }
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto tab = line.find('\t');
    if (tab == std::string::npos) {
      std::cerr << "expected FROM, a tab and TO, found: " << line << '\n';
      return 2;
    }
    std::cout << convert(line.substr(0, tab), line.substr(tab + 1)) << std::endl;
  }
  return 0;
}
