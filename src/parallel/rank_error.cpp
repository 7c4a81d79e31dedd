#include "parallel/rank_error.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace dsc {

std::string to_json(const RankError& failure) {
  nlohmann::json json{{"rank", failure.rank}, {"code", static_cast<int>(failure.error.code())}, {"problems", nlohmann::json::array()}};
  for (const Problem& problem : failure.error.problems()) {
    json["problems"].push_back({{"message", problem.message}, {"hint", problem.hint}, {"file", problem.place.file}, {"line", problem.place.line},
                                {"column", problem.place.column}, {"pointer", problem.place.pointer}});
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

RankError parse_rank_error(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  std::vector<Problem> problems;
  for (const auto& problem : json.at("problems")) {
    problems.push_back({problem.at("message"), {problem.at("file"), problem.at("line"), problem.at("column"), problem.at("pointer")}, problem.at("hint")});
  }
  return {json.at("rank").get<std::int64_t>(), {static_cast<ErrorCode>(json.at("code").get<int>()), std::move(problems)}};
}

}  // namespace dsc
