// Sensitivity tables as JSON text.
#include <nlohmann/json.hpp>

#include "dscompress/pass.h"

namespace dsc {

std::string to_text(const SenseTable& table) {
  nlohmann::ordered_json json = {{"setting", table.setting}, {"metric", table.metric}, {"base", table.base}, {"points", nlohmann::ordered_json::array()}};
  for (const SensePoint& point : table.points) json["points"].push_back({{"part", point.part}, {"setting", point.setting}, {"value", point.value}});
  return json.dump();
}

SenseTable parse_sense_table(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    SenseTable table{json.at("setting"), json.at("metric"), json.at("base"), {}};
    for (const auto& point : json.at("points")) table.points.push_back({point.at("part"), point.at("setting"), point.at("value")});
    return table;
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::data, std::string("this is no sensitivity table: ") + error.what(), {}, "make one with: dscompress sense RECIPE --json");
  }
}

}  // namespace dsc
